"""Two clients edit at once while the server is killed again and again: nothing is lost."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

import shoal

EACH, KILLS = 100, 4


class Server:
    """The explorer as a process on one port, started again after every kill."""

    def __init__(self, run):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._run = run
        self.start()

    def start(self):
        words = [sys.executable, "-m", "shoal", "explore", str(self._run), "--no-open"]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [*words, "--port", str(self.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        assert "is at" in self.process.stdout.readline()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)
        self.process.stdout.close()


def send(port, body):
    """Send an edit until it is answered; the token makes it one, however often it is sent."""
    data = json.dumps(body).encode()
    end = time.monotonic() + 300
    while time.monotonic() < end:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/edits", data, {"x-shoal": "1"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())["entry"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read()) from error
        except (OSError, ValueError):
            time.sleep(0.05)
    raise AssertionError("no answer")


@pytest.mark.slow
def test_two_hundred_edits_by_two_clients_survive_kills(digits_path, tmp_path):
    run = tmp_path / "digits.shoal"
    shutil.copytree(digits_path, run)
    server = Server(run)
    answered = {}

    def client(name):
        draw = random.Random(name)
        for at in range(EACH):
            body = {"token": f"{name}-{at}", "author": name, "cluster": draw.randrange(5)}
            op = draw.choice(["note", "mark"])
            body |= {"op": op, "note": f"{name} {at}", "mark": draw.choice(["good", "junk"])}
            answered[body["token"]] = send(server.port, body)

    clients = [threading.Thread(target=client, args=(name,)) for name in ("ada", "bob")]
    for thread in clients:
        thread.start()
    draw = random.Random(0)
    for _ in range(KILLS):
        wanted = len(answered) + draw.randrange(10, 40)
        while len(answered) < wanted and any(t.is_alive() for t in clients):
            time.sleep(0.01)
        server.kill()
        server.start()
    for thread in clients:
        thread.join()
    server.kill()

    entries = shoal.open(run).edits.entries() or _entries(run)
    assert len(answered) == 2 * EACH
    assert sorted(answered.values()) == list(range(1, 2 * EACH + 1))
    assert [entry.seq for entry in entries] == list(range(1, 2 * EACH + 1))
    for name in ("ada", "bob"):
        own = [answered[f"{name}-{at}"] for at in range(EACH)]
        assert own == sorted(own)
    state = shoal.open(run).edits.state
    last = {}
    for entry in entries:
        last[entry.facts["cluster"], entry.op] = entry.facts[entry.op]
    for (cluster, what), value in last.items():
        assert getattr(state.clusters[cluster], what) == value
    assert np.array_equal(shoal.open(run).edits.labels(), shoal.open(run).labels(raw=True))


def _entries(run):
    """The log, read anew."""
    edits = shoal.open(run).edits
    edits.refresh()
    return edits.entries()
