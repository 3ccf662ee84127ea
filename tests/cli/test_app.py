import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import typer.main

from shoal import api
from shoal.cli import output
from shoal.cli.app import app

COMMAND = [sys.executable, "-m", "shoal"]
SLOW = "numba numpy.ma scipy sklearn pyarrow PIL faiss rich.progress shoal.api"


def ran(*words, **environment):
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


def test_no_command_shows_the_help(shoal):
    result = shoal()
    assert result.exit_code == 0
    for command in (
        "fit",
        "layers",
        "labels",
        "eval",
        "predict",
        "export",
        "info",
        "demo",
        "make-tiles",
    ):
        assert f"  {command} " in result.stdout
        assert shoal(command, "--help").exit_code == 0


def test_a_wrong_command_names_a_near_one(shoal):
    result = shoal("lables")
    assert result.exit_code == 2
    assert "'labels'" in result.stderr


def test_our_faults_are_one_sentence_and_code_1(shoal, run, monkeypatch):
    def fail(path):
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr(api, "open", fail)
    result = shoal("layers", run)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "ZeroDivisionError: two lines (run it again with SHOAL_DEBUG=1" in result.stderr
    monkeypatch.setenv("SHOAL_DEBUG", "1")
    result = shoal("layers", run)
    assert result.exit_code == 1
    assert "Traceback" in result.stderr


def test_too_little_memory_is_said(shoal, run, monkeypatch):
    def fail(path):
        raise MemoryError

    monkeypatch.setattr(api, "open", fail)
    result = shoal("layers", run)
    assert (result.exit_code, "out of memory" in result.stderr) == (2, True)


def test_version_is_fast_because_it_loads_little():
    code = (
        "import sys; from shoal.cli.app import app; app(['version'], standalone_mode=False); "
        f"print([m for m in '{SLOW}'.split() if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_process_ends_with_the_code_and_prints_where_it_should(run, tmp_path):
    done = ran("layers", run, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["layers"]
    done = ran("layers", tmp_path / "no.shoal")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("shoal: ")
    done = ran("layers", tmp_path / "no.shoal", SHOAL_DEBUG="1")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


@pytest.fixture
def long_fit(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(60_000, 64)))
    words = [*COMMAND, "fit", str(tmp_path / "x.npy"), "-o", str(tmp_path / "x.shoal")]
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite run in the background was started with Ctrl-C ignored, and hands that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    yield process, tmp_path / "x.shoal"
    process.kill()
    process.communicate()


def test_ctrl_c_ends_with_130_and_one_sentence(long_fit):
    process, run = long_fit
    until = time.monotonic() + 60
    while not (run / "features").exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines()[-1].startswith("shoal: interrupted")
    assert "Traceback" not in err


def test_a_reader_that_leaves_is_no_error(run):
    process = subprocess.Popen(
        [*COMMAND, "labels", str(run), "--k", "500"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    process.wait()
    assert b"Traceback" not in err
    assert b"error of ours" not in err


def test_json_has_no_numbers_that_json_lacks(capsys):
    output.print_json({"a": float("nan"), "b": [np.float32(1.5), np.int64(2)], "c": float("inf")})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1.5, 2], "c": None}


def test_markup_in_a_name_is_printed_as_it_is(capsys):
    output.print_table("[bold]x", ("a", "b"), [["[red]1", "[/red]2"]])
    out = capsys.readouterr().out
    assert "[bold]x" in out
    assert "[red]1" in out
    assert "[/red]2" in out


def listed(command, words=()):
    yield words
    for name, inner in getattr(command, "commands", {}).items():
        yield from listed(inner, (*words, name))


@pytest.mark.parametrize("words", list(listed(typer.main.get_command(app))), ids=" ".join)
def test_help_is_cut_nowhere_at_80_columns(shoal, words, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = shoal(*words, "--help").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    usage, rest = lines[0], "\n".join(lines[1:])
    assert usage.startswith("Usage: ")
    assert "…" not in rest
    assert "..." not in rest.replace("[ARGS]...", "").replace("{RUN}...", "")


def test_help_shows_the_choices(shoal):
    text = shoal("fit", "--help").stdout
    for choices in ("--engine local|beam", "--pages rows|channels", "--added place|refit"):
        assert choices in text
    joined = " ".join(text.split())
    assert "colours, autoencoder, contrastive, vectors, columns, an encoder" in joined
