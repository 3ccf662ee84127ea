import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from contextlib import contextmanager

import pytest

from shoal.cli.explore import open_page


@contextmanager
def exploring(run, *words):
    """The explorer as a process, and the address that it prints."""
    command = [sys.executable, "-m", "shoal", "explore", str(run), "--no-open", *words]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            said = process.stdout.readline()
            yield process, re.search(r"is at (http://\S+)", said)[1]
        finally:
            process.kill()


def ask(url, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"x-shoal": "1"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


@pytest.fixture
def copy(run, tmp_path):
    shutil.copytree(run, tmp_path / "digits.shoal")
    return tmp_path / "digits.shoal"


def test_a_run_is_explored_until_it_is_stopped_and_the_map_comes_by_itself(copy):
    with exploring(copy) as (process, url):
        assert url.startswith("http://127.0.0.1:")
        assert ask(url, "api/run")["rows"] == 600
        end = time.monotonic() + 300
        while not (found := ask(url, "api/map"))["ready"]:
            assert found["trouble"] is None
            assert time.monotonic() < end
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert (copy / "map" / "_done.json").exists()


def test_an_edit_that_was_acknowledged_survives_a_kill(copy):
    with exploring(copy) as (process, url):
        for at in range(5):
            ask(url, "api/edits", {"op": "rename", "cluster": at, "name": f"name {at}"})
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    with exploring(copy) as (_, url):
        assert ask(url, "api/edits")["done"] == 5
        names = [c["name"] for c in ask(url, "api/clusters")["clusters"]]
        assert names[:5] == [f"name {at}" for at in range(5)]


def test_others_need_the_token(copy):
    with socket.socket() as free:
        free.bind(("0.0.0.0", 0))
        port = str(free.getsockname()[1])
    words = ("--host", "0.0.0.0", "--port", port, "--token", "open-sesame")
    with exploring(copy, *words) as (_, url):
        page, _, query = url.partition("?")
        assert query == "token=open-sesame"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            ask(page, "api/run")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--host", "0.0.0.0"), "lets others in: give a --token"),
        (("--token", "short"), "at least 8 characters"),
        (("--host", "300.1.1.1", "--token", "open-sesame"), "cannot be used"),
        (("--port", "0"), "--port"),
    ],
)
def test_what_cannot_be_opened_is_said_in_a_sentence(shoal, run, words, said):
    result = shoal("explore", run, "--no-open", *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_no_run_no_page(shoal, tmp_path):
    result = shoal("explore", tmp_path / "nothing")
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr


def test_only_a_browser_with_windows_is_opened(monkeypatch):
    opened = []

    class Windows(webbrowser.BaseBrowser):
        def open(self, url, new=0, autoraise=True):
            opened.append(url)
            return True

    monkeypatch.setattr(webbrowser, "get", Windows)
    assert open_page("http://127.0.0.1:1/")
    assert opened == ["http://127.0.0.1:1/"]
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.GenericBrowser("lynx"))
    assert not open_page("http://127.0.0.1:1/")
