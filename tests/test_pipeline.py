import json
import random

import numpy as np
import pytest
from tests.killing import completed, killed_at

import shoal
from shoal import pipeline
from shoal.errors import InputError, RunError, SettingError
from shoal.pipeline import run_pipeline
from shoal.rows import open_source
from shoal.settings import fit_settings
from shoal.stages import shards
from shoal.stages.fit_stages import stages_of
from shoal.stages.result import Result
from shoal.stages.workload import Need

STAGES = stages_of(grows=False)

DRAW = np.random.default_rng(0)
IMAGES = DRAW.integers(0, 60, (240, 8, 8), np.uint8)
IMAGES[:120, 2:5] += 190
IMAGES[120:, :, 2:5] += 190
IMAGES[7] = IMAGES[100]

FIT = """
import sys
import numpy as np
from shoal.stages import shards
shards._SHARD_ROWS = 20
from shoal.pipeline import run_pipeline
from shoal.settings import fit_settings
from shoal.rows import open_source
import shoal.api
source = open_source(sys.argv[1])
settings = fit_settings(workers=int(sys.argv[3]), representatives=int(sys.argv[4]) or None)
run_pipeline(sys.argv[2], source, settings)
"""


class Noting:
    """A progress that remembers what it was told."""

    def __init__(self):
        self.stages, self.notes, self.rows, self.finished = [], [], {}, 0

    def stage(self, name, total=None, unit="rows"):
        self.stages.append((name, total, unit))

    def advance(self, n=1):
        name = self.stages[-1][0]
        self.rows[name] = self.rows.get(name, 0) + n

    def note(self, text):
        self.notes.append(text)

    def finish(self):
        self.finished += 1


def contents(path):
    """Everything in a run that shall not depend on workers, time or interruptions."""
    found = {}
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix()
        if not file.is_file() or name in (".lock", "run.toml"):
            continue
        if file.name == "_done.json":
            receipt = json.loads(file.read_bytes())
            del receipt["seconds"], receipt["peak_memory"]
            found[name] = receipt
        else:
            found[name] = file.read_bytes()
    return found


def differing(one, other):
    """Name the files that are not the same in two runs."""
    left, right = contents(one), contents(other)
    return [name for name in sorted({*left, *right}) if left.get(name) != right.get(name)]


def fit(path, data=IMAGES, progress=None, **settings):
    return run_pipeline(
        path, open_source(data), fit_settings(**{"workers": 1, **settings}), progress=progress
    )


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(shards, "_SHARD_ROWS", 20)


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("representatives", [None, 60])
def test_one_or_two_workers_give_the_same_bytes(tmp_path, representatives):
    for workers in (1, 2):
        fit(tmp_path / str(workers), workers=workers, representatives=representatives)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


@pytest.mark.usefixtures("small_shards")
def test_progress_counts_every_row_of_every_stage(tmp_path):
    said = Noting()
    fit(tmp_path / "run", progress=said)
    assert [name for name, *_ in said.stages] == [stage.name for stage in STAGES]
    by_rows = {stage.name for stage in STAGES if stage.by_rows}
    assert {name: rows for name, rows in said.rows.items() if name in by_rows} == dict.fromkeys(
        by_rows, 240
    )
    assert said.rows["tree"] == 239
    assert said.finished == 1
    assert "240 grey images" in said.notes[0]


def test_a_second_fit_does_nothing_and_says_so(tmp_path):
    fit(tmp_path / "run")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*.npy")}
    said = Noting()
    fit(tmp_path / "run", progress=said, workers=2, memory="2GiB")
    assert not said.stages
    assert said.notes[-1].startswith("Nothing to do")
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*.npy")} == before


@pytest.mark.parametrize(
    ("changed", "redone"),
    [
        ({"features": "pixels"}, ["features", "project", "summarise", "tree", "assign"]),
        ({"representatives": 50}, ["summarise", "tree", "assign"]),
        ({"layers": "3"}, ["tree", "assign"]),
    ],
)
def test_a_changed_setting_redoes_what_depends_on_it(tmp_path, changed, redone):
    fit(tmp_path / "run")
    said = Noting()
    fit(tmp_path / "run", progress=said, **changed)
    assert [name for name, *_ in said.stages] == redone
    fit(tmp_path / "straight", **changed)
    assert contents(tmp_path / "run") == contents(tmp_path / "straight")


def test_photos_are_told_by_looking_and_clustered_by_the_network(tmp_path, photos):
    said = Noting()
    run = Result(fit(tmp_path / "run", photos, said))
    assert ", scaled to 224×224. Features: photo (EfficientNet-Lite0)" in said.notes[0]
    truth = np.repeat([0, 1], 40)
    labels = run.labels(2)
    good = labels >= 0
    assert np.flatnonzero(~good).tolist() == [57]
    assert len(set(zip(truth[good], labels[good], strict=True))) == 2
    assert run.folder.stage("features").read_receipt().counts == {
        "features": 1280,
        "components": 78,
        "quarantined": 1,
    }


def test_photos_give_the_same_bytes_for_one_or_two_workers(tmp_path, photos):
    for workers in (1, 2):
        fit(tmp_path / str(workers), photos, workers=workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_another_encoder_redoes_the_features_and_not_the_index(tmp_path, photos):
    fit(tmp_path / "run", photos)
    index = {p: p.stat().st_mtime_ns for p in (tmp_path / "run" / "index").rglob("*")}
    said = Noting()
    fit(tmp_path / "run", photos, said, features="gradients")
    assert [name for name, *_ in said.stages] == [stage.name for stage in STAGES[1:]]
    assert index == {p: p.stat().st_mtime_ns for p in (tmp_path / "run" / "index").rglob("*")}
    fit(tmp_path / "straight", photos, features="gradients")
    assert contents(tmp_path / "run") == contents(tmp_path / "straight")


def test_a_changed_source_redoes_everything(tmp_path):
    fit(tmp_path / "run")
    said = Noting()
    fit(tmp_path / "run", IMAGES[:200], said)
    assert len(said.stages) == len(STAGES)


def test_a_lost_part_is_made_again(tmp_path):
    fit(tmp_path / "run")
    before = contents(tmp_path / "run")
    (tmp_path / "run/project/vectors/part-00000.npy").unlink()
    fit(tmp_path / "run")
    assert contents(tmp_path / "run") == before


class Interrupting(Noting):
    """Raises, as Ctrl-C does, after some rows of a stage."""

    def __init__(self, name):
        super().__init__()
        self.name = name

    def advance(self, n=1):
        super().advance(n)
        if self.stages[-1][0] == self.name:
            raise KeyboardInterrupt


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("name", [stage.name for stage in STAGES])
def test_an_interruption_in_any_stage_costs_nothing_finished(tmp_path, name):
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "run", progress=Interrupting(name), representatives=60)
    said = Noting()
    fit(tmp_path / "run", progress=said, representatives=60)
    assert said.stages[0][0] == name
    fit(tmp_path / "straight", representatives=60)
    assert contents(tmp_path / "run") == contents(tmp_path / "straight")


def differing_after_kills(tmp_path, representatives, kills):
    """Fit in processes that are killed at random moments, then to the end, and compare."""
    np.save(tmp_path / "images.npy", IMAGES)
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    settings = fit_settings(workers=1, representatives=representatives or None)
    run_pipeline(straight, open_source(tmp_path / "images.npy"), settings)
    chance, most = random.Random(0), len(contents(straight)) // (kills + 1)
    given = [tmp_path / "images.npy", killed, 2, representatives]
    for _ in range(kills):
        assert killed_at(chance.randint(most // 2, most), FIT, *given)
    completed(FIT, *given)
    return differing(killed, straight)


@pytest.mark.usefixtures("small_shards")
def test_killed_and_resumed_gives_the_same_bytes(tmp_path):
    assert differing_after_kills(tmp_path, 60, 2) == []


@pytest.mark.slow
@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("representatives", [0, 60])
def test_killed_ten_times_and_resumed_gives_the_same_bytes(tmp_path, representatives):
    assert differing_after_kills(tmp_path, representatives, 10) == []


def sample_then_all(path, data, count, **settings):
    """Look at a sample, then at all rows, in the same run."""
    look = shoal.fit(data, path, workers=1, sample=count, **settings)
    seen = look.n_rows, look.sample_of, look.n_rows == len(look.labels())
    shoal.fit(data, path, workers=1, **settings)
    return seen


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("representatives", [None, 60])
def test_all_rows_after_a_sample_give_the_bytes_of_a_run_never_sampled(tmp_path, representatives):
    seen = sample_then_all(tmp_path / "run", IMAGES, 90, representatives=representatives)
    assert seen == (90, 240, True)
    shoal.fit(IMAGES, tmp_path / "straight", workers=1, representatives=representatives)
    assert differing(tmp_path / "run", tmp_path / "straight") == []


def test_a_sample_has_the_rows_of_the_source_and_says_which(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    look = shoal.fit(tmp_path / "images.npy", tmp_path / "run", workers=1, sample=90)
    rows = np.load(tmp_path / "run/index/taken/whole.npy")
    assert look.table()["name"].to_pylist() == list(map(str, rows))
    again = shoal.open(tmp_path / "run")
    assert np.array_equal(again.source.read(0, 90).data[..., 0], IMAGES[rows])
    truth = np.arange(240) >= 120
    assert again.evaluate(truth) == again.evaluate(truth[rows])
    assert again.predict(IMAGES[rows]).cluster.tolist() == again.labels().tolist()


def test_a_sample_does_not_replace_a_fit_of_all_rows(tmp_path):
    fit(tmp_path / "run")
    before = contents(tmp_path / "run")
    with pytest.raises(RunError, match="holds a fit of all rows"):
        shoal.fit(IMAGES, tmp_path / "run", workers=1, sample=90)
    assert contents(tmp_path / "run") == before
    assert shoal.fit(IMAGES, tmp_path / "run", workers=1, sample=240).sample_of is None


def test_a_run_cannot_keep_its_own_ids(tmp_path):
    fit(tmp_path / "run")
    with pytest.raises(SettingError, match="is the run being written"):
        fit(tmp_path / "run", previous=str(tmp_path / "run"))


def test_ids_of_other_rows_cannot_be_kept(tmp_path):
    fit(tmp_path / "run")
    with pytest.raises(InputError, match="has 240 rows, but the source has 200"):
        fit(tmp_path / "new", IMAGES[:200], previous=str(tmp_path / "run"))
    with pytest.raises(RunError, match="does not exist"):
        fit(tmp_path / "new", previous=str(tmp_path / "gone"))


def test_a_run_of_a_newer_version_is_refused(tmp_path):
    fit(tmp_path / "run")
    toml = tmp_path / "run/run.toml"
    toml.write_text(toml.read_text().replace("format = 1", "format = 99"))
    with pytest.raises(RunError, match="newer"):
        fit(tmp_path / "run")


def test_every_stage_reads_only_stages_before_it():
    for number, stage in enumerate(STAGES):
        assert set(stage.inputs) <= {earlier.name for earlier in STAGES[:number]}


@pytest.mark.parametrize(
    ("memory", "workers", "split"),
    [  # a launcher of 240 + 300 MiB, processes of 240 + 100 and 50 a thread
        (1320, 2, (2, 1)),
        (1319, 2, (1, 2)),
        (979, 2, (1, 1)),
        (1080, 4, (1, 4)),
        (1420, 4, (2, 2)),
        (1419, 4, (1, 4)),
    ],
)
def test_workers_are_split_in_as_many_processes_as_the_memory_has_room_for(memory, workers, split):
    needs = [Need(100 << 20, 50 << 20, 0, serial_peak=300 << 20)]
    assert pipeline.split_workers(needs, memory << 20, workers) == split


def test_what_runs_beside_the_processes_is_counted_once():
    needs = [Need(100 << 20, 50 << 20, 0, serial_peak=300 << 20)]
    assert pipeline.split_workers(needs, 1960 << 20, 2, 640 << 20) == (2, 1)
    assert pipeline.split_workers(needs, 1959 << 20, 2, 640 << 20) == (1, 2)


def test_memory_for_the_launcher_alone_is_not_enough_for_processes():
    needs = [Need(100 << 20, 50 << 20, 0, serial_peak=300 << 20)]
    with pytest.raises(SettingError, match=r"about 930 MiB, .* give --memory 1GiB, or"):
        pipeline.split_workers(needs, 929 << 20, 2)
