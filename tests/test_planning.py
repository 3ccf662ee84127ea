import json
import re
import shutil
import sys
from collections import namedtuple

import numpy as np
import pytest
from benchmarks.measure import measure
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import shoal
from shoal.errors import InputError, SettingError, StorageFullError
from shoal.planning import ENGINE_LIBRARIES, check_disk, limit_representatives, make_plan
from shoal.progress import Silent
from shoal.rows import open_source
from shoal.rows.memory_budget import LIBRARIES
from shoal.settings import fit_settings

DRAW = np.random.default_rng(0)
IMAGES = DRAW.integers(0, 256, (240, 8, 8), np.uint8)
Usage = namedtuple("Usage", "total used free")


def tiles(n):
    """Tiles that take no memory."""
    return open_source(np.broadcast_to(np.uint8(0), (n, 16, 16, 3)))


class Noting(Silent):
    """Remembers what was said."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def test_one_row_is_refused():
    with pytest.raises(InputError, match="at least 2"):
        make_plan(open_source(IMAGES[:1]), fit_settings())


def test_a_smallest_size_over_all_rows_is_refused():
    with pytest.raises(SettingError, match="min_size must be from 1 to 240"):
        make_plan(open_source(IMAGES), fit_settings(min_size=241))


def test_more_representatives_than_memory_are_refused():
    rows = open_source(np.broadcast_to(np.float32(0), (5_000_000, 8)))
    with pytest.raises(SettingError, match=r"need about .* MiB, but memory is 1,024 MiB"):
        make_plan(rows, fit_settings(memory="1GiB", representatives=2_000_000))


@pytest.mark.parametrize("engine", ENGINE_LIBRARIES)
def test_an_engine_counts_in_every_process_and_changes_no_rows(engine):
    one, other = (
        make_plan(tiles(2_000_000), fit_settings(engine=name)) for name in ("local", engine)
    )
    for mine, its in zip(one.needs.values(), other.needs.values(), strict=True):
        assert its.memory(1) - mine.memory(1) == ENGINE_LIBRARIES[engine]
    assert one.representatives == other.representatives
    tight = make_plan(tiles(2_000_000), fit_settings(memory="700MiB"))
    assert tight.memory > (700 << 20) - ENGINE_LIBRARIES[engine]
    with pytest.raises(SettingError, match=r"needs about .* MiB, but memory is 700 MiB: give"):
        make_plan(tiles(2_000_000), fit_settings(memory="700MiB", engine=engine))


def test_the_plan_grows_with_the_data_and_not_with_the_workers():
    few, many = (
        make_plan(open_source(np.broadcast_to(np.uint8(0), (n, 16, 16, 3))), fit_settings())
        for n in (10_000, 4_000_000)
    )
    assert many.disk > 5 * few.disk  # 20 MB of arrays in both, and few bytes of each row
    assert (few.passes, many.passes) == (2, 1)  # the projection of many is that of a sample
    assert few.shards.size == 1365
    one = make_plan(open_source(IMAGES), fit_settings(workers=1))
    two = make_plan(open_source(IMAGES), fit_settings(workers=2))
    assert one.shards == two.shards
    json.dumps(two.as_dict())


def test_little_memory_means_fewer_workers():
    rows = open_source(np.broadcast_to(np.uint8(0), (500_000, 16, 16, 3)))
    assert make_plan(rows, fit_settings(workers=8, memory="8GiB")).workers == 8
    assert make_plan(rows, fit_settings(workers=8, memory="1GiB")).workers < 8


@given(st.integers(2, 10**8), st.integers(10, 16), st.integers(1, 64))
def test_what_is_planned_goes_into_the_memory(n, eighths, workers):
    settings = fit_settings(memory=eighths << 27, workers=workers)
    found = make_plan(tiles(n), settings)
    assert LIBRARIES < found.memory <= settings.memory
    assert 1 <= found.workers <= workers
    more = make_plan(tiles(n), fit_settings(memory=eighths << 30, workers=workers))
    assert found.representatives <= more.representatives
    assert found.shards == more.shards
    assert bool(found.remark) == (found.representatives < more.representatives)


def test_memory_does_not_grow_with_the_rows():
    few, some, many = (
        make_plan(tiles(n), fit_settings(workers=2)) for n in (10**6, 4 * 10**6, 10**8)
    )
    assert many.memory < 1.01 * some.memory
    assert some.memory < 1.25 * few.memory  # where rows are coded as they are projected


def test_of_very_many_rows_a_few_bytes_are_kept_but_limit_representativess_with_a_rule():
    n = 48_000_000
    shoal, kmeans = (make_plan(tiles(n), fit_settings(method=name)) for name in ("shoal", "kmeans"))
    assert shoal.disk < 2**30
    assert kmeans.disk > 3 * 2**30


def test_files_that_are_unpacked_into_memory_are_counted(tmp_path):
    images = np.zeros((2000, 128, 128), np.uint8)
    np.savez(tmp_path / "plain.npz", images=images)
    np.savez_compressed(tmp_path / "packed.npz", images=images)
    plain, packed = (
        make_plan(open_source(tmp_path / f"{name}.npz"), fit_settings(features="gradients")).memory
        for name in ("plain", "packed")
    )
    assert packed - plain == images.nbytes


@pytest.mark.parametrize("memory", ["512MiB", "1GiB", "4GiB"])
def test_single_images_are_in_the_plan_whatever_the_workers_are(tmp_path, memory):
    for row in range(3):
        Image.fromarray(IMAGES[row]).save(tmp_path / f"{row}.png")
    source = open_source(tmp_path)
    plans = [make_plan(source, fit_settings(memory=memory, workers=n)) for n in (1, 2, 64)]
    assert len({plan.members for plan in plans}) == 1
    for plan in plans:
        assert plan.memory <= fit_settings(memory=memory).memory
        assert 32 << 20 <= plan.members < plan.memory - LIBRARIES
    assert make_plan(open_source(IMAGES), fit_settings()).members is None  # rows of an array


def test_what_a_refusal_advises_would_do():
    rows = open_source(np.broadcast_to(np.float32(0), (5_000_000, 8)))
    given = {"memory": "1GiB", "representatives": 2_000_000}
    with pytest.raises(SettingError) as caught:
        make_plan(rows, fit_settings(**given))
    enough = re.search(r"--memory (\S+), or --representatives (\d+) at most", str(caught.value))
    assert (
        make_plan(rows, fit_settings(**given | {"memory": enough[1]})).representatives == 2 * 10**6
    )
    fewer = fit_settings(**given | {"representatives": int(enough[2])})
    assert make_plan(rows, fewer).memory <= 1 << 30


def test_rows_that_no_memory_so_small_can_hold_are_refused_with_what_would_do():
    rows = open_source(np.broadcast_to(np.uint8(0), (100, 4000, 4000, 3)), as_="images")
    with pytest.raises(SettingError, match=r"the stage \w+ needs about .* --memory") as caught:
        make_plan(rows, fit_settings(memory="512MiB", features="pixels"))
    enough = re.search(r"--memory (\S+)$", str(caught.value))[1]
    make_plan(rows, fit_settings(memory=enough, features="pixels"))


def test_fewer_representatives_for_want_of_memory_are_said_and_kept(monkeypatch, tmp_path):
    monkeypatch.setattr("shoal.planning._FEWEST_REPRESENTATIVES", 20)
    monkeypatch.setattr("shoal.stages.tree.GRAPH_BYTES", 10 << 20)
    said = Noting()
    run = shoal.fit(IMAGES, tmp_path / "run", memory="1GiB", progress=said)
    assert 20 <= len(run.representatives) <= 60
    assert "only 60 representatives fit instead of 240" in " ".join(said.notes)
    more = shoal.fit(IMAGES, tmp_path / "run", memory="4GiB")  # other representatives: done again
    assert len(more.representatives) == 240


def test_a_disk_that_is_too_small_is_told_before_anything_is_done(monkeypatch, tmp_path):
    plan = make_plan(tiles(10**6), fit_settings())
    check_disk(plan, tmp_path / "new" / "run")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1, 1, plan.disk // 2))
    with pytest.raises(StorageFullError, match=r"needs about .* MiB are free there: make room"):
        check_disk(plan, tmp_path / "run")
    (tmp_path / "run").mkdir()
    with (tmp_path / "run" / "part").open("wb") as file:
        file.truncate(plan.peak_disk)  # of a fit that was interrupted
    check_disk(plan, tmp_path / "run")


def test_a_full_disk_stops_a_fit_at_once_but_not_a_run_that_is_done(monkeypatch, tmp_path):
    shoal.fit(IMAGES, tmp_path / "done")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1, 1, 100))
    shoal.fit(IMAGES, tmp_path / "done")
    with pytest.raises(StorageFullError, match="give another folder with -o"):
        shoal.fit(IMAGES, tmp_path / "new")
    assert not list(tmp_path.glob("new/*/*"))


@pytest.fixture(scope="module")
def many_tiles(tmp_path_factory):
    """A folder of 300,000 tiles."""
    folder = tmp_path_factory.mktemp("many") / "tiles"
    measure([sys.executable, "-m", "shoal", "make-tiles", "--n", "300000", "-o", folder])
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("memory", ["1GiB", "2GiB"])
def test_all_processes_stay_within_the_memory_and_the_disk_that_were_said(
    many_tiles, tmp_path, memory
):
    run = tmp_path / "run"
    shoal_ = [sys.executable, "-m", "shoal"]
    given = [many_tiles, "--shape", "16,16,3", "--memory", memory]
    used = measure([*shoal_, "fit", *given, "-o", run, "--quiet"])
    assert used.peak_mib <= fit_settings(memory=memory).memory / 2**20
    settings = fit_settings(memory=memory, shape="16,16,3")
    plan = make_plan(open_source(many_tiles, shape=(16, 16, 3)), settings)
    assert used.peak_mib / 2 < plan.memory / 2**20 < 2 * used.peak_mib
    disk = sum(file.stat().st_size for file in run.rglob("*") if file.is_file())
    assert disk / 2 < plan.disk < 2 * disk
    for command in (
        ["labels", run, "-o", tmp_path / "labels.parquet"],
        ["eval", run, "--truth", many_tiles / "truth.parquet", "--key", "source"],
        ["predict", run, many_tiles, "--shape", "16,16,3", "-o", tmp_path / "new.npy"],
    ):
        assert measure([*shoal_, *command]).peak_mib < 1024


def test_methods_get_no_more_representatives_than_usual():
    birch = fit_settings(method="birch")  # which takes 100,000 rows
    assert limit_representatives(birch, 1_000_000) == (birch, "")
    assert limit_representatives(birch, 90_000) == (birch, "")
    fewer, remark = limit_representatives(fit_settings(method="optics"), 1_000_000)
    assert fewer.representatives == 10_000
    assert "10,000 representatives stand for the 1,000,000" in remark


def test_passes_over_all_rows_start_from_few_representatives():
    fewer, remark = limit_representatives(fit_settings(method="kmeans", k=100, passes=2), 1_000_000)
    assert fewer.representatives == 3_200
    assert "The 2 passes over all 1,000,000 rows start from" in remark
    assert (
        limit_representatives(fit_settings(method="kmeans", passes=1), 200_000)[0].representatives
        == 2_048
    )


@pytest.mark.parametrize(
    ("n_rows", "given"),
    [
        (100_000, {"method": "kmeans", "passes": 1}),  # every row is a representative
        (200_000, {"method": "kmeans"}),
        (200_000, {"method": "gmm", "passes": 1}),  # covariances need rows
        (200_000, {"method": "kmeans", "passes": 1, "representatives": 9_000}),
        (200_000, {"method": "kmeans", "passes": 1, "k": 3_000}),
    ],
)
def test_other_fits_keep_their_representatives(n_rows, given):
    settings = fit_settings(**given)
    assert limit_representatives(settings, n_rows) == (settings, "")


def test_pairs_of_a_method_are_counted_and_leave_room_for_the_rest():
    rows = open_source(np.broadcast_to(np.float32(0), (200_000, 8)))
    for memory in ("512MiB", "700MiB", "4GiB"):
        settings = fit_settings(method="agglomerative", memory=memory)
        fewer, _ = limit_representatives(settings, rows.n_rows)
        tree = make_plan(rows, fewer).needs["tree"]
        assert 8 * fewer.representatives**2 < tree.memory(1) <= settings.memory
