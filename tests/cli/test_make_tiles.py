import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from shoal.synthetic import TileSet


def test_tiles_are_made_fitted_and_measured(shoal, told, tmp_path):
    out, run = tmp_path / "tiles", tmp_path / "tiles.shoal"
    facts = told("make-tiles", "-o", out, "--n", 3_000, "--sources", 6, "--quiet")
    assert (facts["tiles"], facts["kept"], facts["bytes"]) == (3_000, 0, 3_000 * 768)
    assert facts["files"] == [str(out / "tiles-00000.bin")]
    again = shoal("make-tiles", "-o", out, "--n", 3_000, "--sources", 6)
    assert again.stdout.startswith(f"{out}: 3,000 tiles in 1 file: nothing to do\n")
    assert f"shoal fit {out} -o" in again.stdout
    fit = shoal("fit", out, "-o", run, "--quiet")
    assert fit.exit_code == 0, fit.stderr
    assert f"shoal eval {run}" in fit.stdout
    assert told("info", run)["source"].startswith("3,000 colour images of 16×16")
    scores = told("eval", run)
    assert scores["classes"] == 6
    assert max(score["ami"] for score in scores["scores"]) > 0.8
    assert told("eval", run, "--truth", facts["truth"], "--key", "source") == scores
    assert told("eval", run, "--key", "digit")["classes"] == 10


def test_one_file_alone(shoal, tmp_path):
    words = ("make-tiles", "-o", tmp_path / "t", "--n", 300_000, "--shard", 1, "--seed", 4)
    result = shoal(*words)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(
        f"{tmp_path / 't' / 'tiles-00001.bin'}: file 1 of 300,000 tiles"
    )
    assert not (tmp_path / "t" / "tiles-00000.bin").exists()
    stored = np.fromfile(tmp_path / "t" / "tiles-00001.bin", np.uint8).reshape(-1, 16, 16, 3)
    assert len(stored) == 300_000 - 2**18
    assert np.array_equal(stored[-50:], TileSet(seed=4).images(299_950, 300_000))


def test_bad_input_is_one_sentence(shoal, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    for words, said in (
        (("-o", tmp_path / "t", "--n", 0), "n must be from 1 to"),
        (
            ("-o", tmp_path / "t", "--n", 10, "--sources", 1),
            "sources must be from 2 to 1,000; got 1",
        ),
        (("-o", tmp_path / "t", "--n", 10, "--seed", -1), "seed must be a whole number"),
        (
            ("-o", tmp_path / "t", "--n", 10, "--shard", 1),
            "shard must be from 0 to 0 for 10 tiles; got 1",
        ),
        (("-o", tmp_path / "t", "--n", 10, "--workers", 0), "Invalid value for '--workers'"),
        (("-o", tmp_path / "photos", "--n", 10), "holds other files (cat.jpg)"),
        (("-o", tmp_path / "t", "--n", 10**10), "are free: free some space"),
        (("-o", tmp_path / "t"), "--n"),
    ):
        result = shoal("make-tiles", *words)
        assert result.exit_code == 2, result.stderr
        assert said in result.stderr
        assert result.stderr.count("\n") == 1
    assert not (tmp_path / "t").exists()


@pytest.mark.slow
def test_ctrl_c_is_said_and_the_same_command_goes_on(tmp_path):
    words = [sys.executable, "-m", "shoal", "make-tiles", "-o", str(tmp_path / "t")]
    words += ["--n", "3000000", "--workers", "1", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while process.poll() is None and not (tmp_path / "t" / "tiles-00000.bin").exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (130, b"")
    assert err.decode().splitlines()[-1].startswith("shoal: interrupted: the same command goes on")
    kept = len(list((tmp_path / "t").glob("tiles-*.bin")))
    assert 1 <= kept < 12
    n = str(kept * 2**18)
    (tmp_path / "t" / "tiles.json").write_text(
        json.dumps({"recipe": TileSet.recipe, "sources": 60, "seed": 0, "rows": int(n)})
    )
    words[-4] = n
    done = subprocess.run(words, capture_output=True, check=True)
    assert json.loads(done.stdout)["kept"] == kept


def test_drawings_are_made_too(shoal, told, tmp_path):
    facts = told("make-drawings", "-o", tmp_path / "d", "--n", 30, "--seed", 2, "--quiet")
    assert (facts["drawings"], facts["seed"], facts["bytes"]) == (30, 2, 30 * 200 * 200)
    again = shoal("make-drawings", "-o", tmp_path / "d", "--n", 30, "--seed", 2)
    assert again.stdout.startswith(f"{tmp_path / 'd'}: 30 drawings in 1 file: nothing to do\n")
    assert "find the shapes" in again.stdout
    refused = shoal("make-drawings", "-o", tmp_path / "d", "--n", 10, "--seed", 2)
    assert "holds 30 drawings, more than the 10 requested" in refused.stderr
