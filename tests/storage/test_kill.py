"""A process that is really killed, at random moments, again and again."""

import json
import random

import pytest
from tests.killing import completed, killed_at

from shoal.storage import RunFolder

FIT = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from shoal.storage import RunFolder, fingerprint, write_json, write_npy
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


@pytest.mark.parametrize("seed", range(2))
def test_a_fit_killed_again_and_again_ends_with_the_same_bytes(tmp_path, seed):
    completed(FIT, tmp_path / "straight")
    chance, kills = random.Random(seed), 4
    for _ in range(kills):
        most = len(contents(tmp_path / "straight")) // (kills + 1)
        assert killed_at(chance.randint(2, most), FIT, tmp_path / "killed")
        for receipt in (tmp_path / "killed").glob("*/_done.json"):
            json.loads(receipt.read_bytes())
            RunFolder.open(tmp_path / "killed").stage(receipt.parent.name).verify()
    completed(FIT, tmp_path / "killed")
    assert contents(tmp_path / "killed") == contents(tmp_path / "straight")
