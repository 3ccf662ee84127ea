"""A process that is really killed, at random moments, again and again."""

import json
import random
import subprocess
import sys
import time

import pytest

from shoal.storage import RunFolder

FIT = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from shoal.storage import RunFolder, fingerprint, write_json, write_npy
print("ready", flush=True)
with RunFolder.create(sys.argv[1], {"seed": 0}) as run:
    upstream = ""
    for name in ("index", "features"):
        stage, print_ = run.stage(name), fingerprint(name, upstream)
        upstream = print_
        if stage.is_done(print_):
            continue
        stage.begin(print_)
        def one(number):
            if not stage.has("vectors", number):
                array = np.random.default_rng(number).random(20_000)
                write_npy(stage.part("vectors", number), array)
                time.sleep(0.002)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(one, range(20)))
        sums = [float(np.load(path).sum()) for path in stage.parts("vectors")]
        write_json(stage.whole("sums", "json"), sums)
        stage.finish(print_, {"parts": 20}, 0.0, 0)
"""


def contents(path):
    return {
        p.relative_to(path).as_posix(): p.read_bytes()
        for p in sorted(path.rglob("*"))
        if p.is_file() and p.name != ".lock"
    }


def fit(path, kill_after=None):
    with subprocess.Popen(
        [sys.executable, "-c", FIT, str(path)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        if kill_after is not None:
            time.sleep(kill_after)
            process.kill()
    return process.returncode


@pytest.mark.parametrize("seed", range(2))
def test_a_fit_killed_again_and_again_ends_with_the_same_bytes(tmp_path, seed):
    assert fit(tmp_path / "straight") == 0
    chance, killed = random.Random(seed), 0
    for _ in range(6):
        killed += fit(tmp_path / "killed", chance.uniform(0.0, 0.06)) < 0
        for receipt in (tmp_path / "killed").glob("*/_done.json"):
            json.loads(receipt.read_bytes())
            RunFolder.open(tmp_path / "killed").stage(receipt.parent.name).verify()
    assert killed >= 2
    assert fit(tmp_path / "killed") == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "straight")
