"""A stage is one file and one line in `STAGES`: here one is added from outside."""

import numpy as np
import pytest

import shoal
from shoal.errors import RunError
from shoal.stages import fit_stages
from shoal.stages.quarantine import write_quarantine
from shoal.stages.result import Result
from shoal.stages.stage import Stage
from shoal.stages.workload import Need
from shoal.storage import read_npy, write_npy

ROWS = np.repeat(np.eye(4)[:2] * 30, 60, axis=0) + np.random.default_rng(0).normal(size=(120, 4))


def work(context):
    """Count the rows of each cluster of the primary layer, and quarantine row 5."""
    result, folder = Result(context.run), context.stage("sizes")
    labels = result.labels(result.primary.k)
    write_npy(folder.whole("sizes"), np.bincount(labels))
    write_quarantine(folder.part("quarantine", 0, "parquet"), 0, {5: "is an example"}, None)
    context.progress.advance(len(labels))
    return {"clusters": int(labels.max()) + 1}


SIZES = Stage(
    "sizes",
    ("tree", "assign"),
    lambda context: {"version": 1},
    work,
    extend=lambda context, previous: previous.link_all(context.stage("sizes")),
    need=lambda work: Need(shared=1 << 33, disk=100),
    unchanged_by_growth=True,
    quarantines=True,
)


@pytest.fixture(autouse=True)
def added(monkeypatch):
    monkeypatch.setattr(fit_stages, "STAGES", (*fit_stages.STAGES, SIZES))


def test_a_stage_from_outside_runs_resumes_and_is_checked(tmp_path):
    run = shoal.fit(ROWS, tmp_path / "run", workers=1, memory="16GiB")
    info = run.info()
    assert info["stages"]["sizes"]["clusters"] == 2
    assert info["odd"] == []
    assert run.quarantine.to_pylist() == [{"row": 5, "name": None, "reason": "is an example"}]
    part = tmp_path / "run/sizes/sizes/whole.npy"
    assert read_npy(part).tolist() == [60, 60]
    part.unlink()
    with pytest.raises(RunError, match="is missing or damaged"):
        shoal.open(tmp_path / "run")
    shoal.fit(ROWS, tmp_path / "run", workers=1, memory="16GiB")
    assert read_npy(part).tolist() == [60, 60]


def test_a_stage_from_outside_is_part_of_the_plan():
    plan = shoal.plan(ROWS, workers=1, memory="16GiB")
    assert plan["stages"][-1]["stage"] == "sizes"
    assert plan["stages"][-1]["disk_bytes"] == 100
    assert plan["memory_bytes"] > 1 << 33
    with pytest.raises(shoal.InputError, match="the stage sizes needs about"):
        shoal.plan(ROWS, workers=1, memory="4GiB")


def test_a_stage_from_outside_is_linked_when_rows_are_added(tmp_path):
    shoal.fit(ROWS, tmp_path / "old", workers=1, memory="16GiB")
    more = np.concatenate([ROWS, ROWS[:40]])
    new = shoal.fit(
        more, tmp_path / "new", workers=1, memory="16GiB", previous=str(tmp_path / "old")
    )
    assert list(new.info()["stages"])[-2:] == ["drift", "sizes"]
    assert (tmp_path / "old/sizes/sizes/whole.npy").samefile(tmp_path / "new/sizes/sizes/whole.npy")
