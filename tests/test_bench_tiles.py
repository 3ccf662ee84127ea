"""The benchmark of tiles: its scores, the cold cache, what is judged; and all of it, small."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from benchmarks import cold, quality, tiles, tiles_musts, tiles_peer
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.base import Measurement
from benchmarks.measure import folder_bytes, measure
from benchmarks.rows import Context, append, last_of_cases, make_row, read
from benchmarks.table import draw
from sklearn.metrics import adjusted_mutual_info_score
from tests.conftest import flush

from shoal.synthetic import TileSet, make_tiles

CONTEXT = Context("abc", "2026-01-02T03:04:05Z", {"cores": 2, "cpu": "x", "memory_gib": 8}, {})
LATER = replace(CONTEXT, date="2026-01-03T00:00:00Z")
FULL = 48_000_000


def rows_of(*measured, context=CONTEXT):
    return [make_row("tiles", one, context) for one in measured]


def test_a_table_counted_in_pieces_scores_as_the_labels_do():
    chance = np.random.default_rng(0)
    truth = chance.choice(7, 5_000, p=[0.5, 0.2, 0.1, 0.1, 0.05, 0.049, 0.001]).astype(np.uint16)
    labels = np.where(chance.random(5_000) < 0.3, chance.integers(0, 9, 5_000), truth * 2)
    table = quality.tally(truth, labels.astype(np.int32), step=777)
    assert table.sum() == 5_000
    assert table[3, 6] == ((truth == 3) & (labels == 6)).sum()
    assert quality.ami_of(table) == pytest.approx(adjusted_mutual_info_score(truth, labels))
    with pytest.raises(ValueError, match="labels from -1"):
        quality.tally(truth, labels - 1)


def test_files_are_taken_out_of_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", flush)
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(40 << 20))
    path.read_bytes()
    assert cold.cached([path]) == 1
    said = cold.chill([path])
    if cold.cached([path]) > 0.5:
        pytest.skip(f"the disk of {tmp_path} keeps its files in memory: {said}")
    assert said.startswith("posix_fadvise, 0.")
    path.read_bytes()
    assert cold.cached([path]) == 1


def test_peers_read_all_rows_in_order(tmp_path, monkeypatch):
    few = TileSet(5)
    for number, (start, stop) in enumerate(((0, 700), (700, 1000))):
        few.images(start, stop).tofile(tmp_path / f"tiles-0000{number}.bin")
    files = sorted(tmp_path.iterdir())
    monkeypatch.setattr(tiles_peer, "BATCH", 256)
    wanted = few.images(0, 1000).reshape(1000, -1) / 255
    assert np.concatenate(list(tiles_peer.batches(files))) == pytest.approx(wanted, abs=1e-6)
    sample = tiles_peer.sample(files, 100)
    assert len(sample) == 100
    assert sample == pytest.approx(np.concatenate([wanted[:70], wanted[700:730]]), abs=1e-6)


@pytest.mark.parametrize("name", ["sklearn", "faiss"])
def test_peers_label_every_row(tmp_path, name):
    make_tiles(tmp_path / "t", 3_000, TileSet(5))
    script = tiles_peer.__file__
    measure([sys.executable, script, name, tmp_path / "t", tmp_path, "5"])
    labels, truth = np.load(tmp_path / "labels.npy"), TileSet(5).truth(0, 3_000)[0]
    assert labels.shape == (3_000,)
    assert quality.ami_of(quality.tally(truth, labels)) > 0.4
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert set(facts) == {"settings", "fit_seconds", "assign_seconds"}


GROWING = """
import pathlib, sys, time
run, seen = map(pathlib.Path, sys.argv[1:])
run.mkdir()
(run / "a").write_bytes(bytes(5000))
while not seen.exists():
    time.sleep(0.01)
(run / "a").unlink()
(run / "b").write_bytes(bytes(10))
"""


def test_the_size_of_a_folder_is_watched(tmp_path, monkeypatch):
    def noting(folder):
        found = folder_bytes(folder)
        if found == 5000:
            (tmp_path / "seen").touch()
        return found

    monkeypatch.setattr("benchmarks.measure.folder_bytes", noting)
    words = [str(tmp_path / "run"), str(tmp_path / "seen")]
    assert measure([sys.executable, "-c", GROWING, *words], tmp_path / "run").disk == 5000
    assert folder_bytes(tmp_path / "run") == 10
    assert folder_bytes(None) == folder_bytes(tmp_path / "none") == 0


def shoal_row(n, seconds, primary=0.9, finest=0.88, peak=900):
    facts = {"primary_ami": primary, "finest_ami": finest, "best_by_truth_ami": 1.0, "disk_gb": 2.0}
    return Measurement("shoal", n, seconds, peak, 0, facts)


def peer_row(name, n, seconds, ami):
    return Measurement(name, n, seconds, 500, 0, {"ami": ami})


def judged(rows):
    return {must.what: must.met for must in tiles_musts.musts(rows)}


def test_quality_is_judged_by_the_layers_that_a_user_gets():
    found = judged(
        rows_of(
            shoal_row(10**6, 50.0, primary=0.9, finest=0.85),
            peer_row("sklearn", 10**6, 5.0, 0.78),
            Measurement(
                "uncompressed", 200_000, 60.0, 900, 0, {"primary_ami": 0.93, "finest_ami": 0.86}
            ),
        )
    )
    assert found == {
        "1,000,000: MiB, greatest ≤ 4096": True,
        "1,000,000: AMI of the primary layer above that of sklearn, by ≥ 0.1": True,
        "1,000,000: AMI of the finest layer above that of sklearn, by ≥ 0.1": False,
        "1,000,000: AMI of the primary layer lost by compression ≤ 0.02": False,
        "1,000,000: AMI of the finest layer lost by compression ≤ 0.02": True,
    }


def test_times_are_judged_at_the_full_size_within_one_run():
    small = rows_of(shoal_row(10**6, 20.0), peer_row("sklearn", 10**6, 4.0, 0.7))
    large = rows_of(
        Measurement("floor", FULL, 100.0, None, None, {}),
        shoal_row(FULL, 801.0, peak=1200),
        peer_row("faiss", FULL, 120.0, 0.7),
        context=LATER,
    )
    old = rows_of(peer_row("sklearn", FULL, 900.0, 0.7))
    found = judged(small + old + large)
    assert found["48,000,000: seconds, labels written ≤ 900"]
    assert not found["48,000,000: times the floor ≤ 8"]
    assert not found["48,000,000: times the seconds of faiss ≤ 6"]
    assert found["48,000,000: times the seconds of sklearn (of another run) ≤ 1"]
    assert not any("seconds of sklearn" in what and "1,000,000:" in what for what in found)
    # 801 / 20 = 48 ** 0.953; 1200 / 900 is more than flat.
    assert found["exponent of the growth of time ≤ 1.05"]
    assert not found["memory flat: the full set's peak over the usual one's ≤ 1.25"]
    assert not judged(small[:1] + rows_of(shoal_row(FULL, 1200.0)))[
        "exponent of the growth of time ≤ 1.05"
    ]


def test_rare_sources_kills_and_rates_are_judged():
    def rare(source, held, pure):
        facts = {"share_of_it": held, "share_of_cluster": pure}
        return Measurement(f"rare source {source}", 10**6, 0.0, None, 0, facts)

    def rest(kills, differing):
        facts = {"kills": kills, "differing": differing}
        return (
            Measurement("make tiles", 10**6, 4.0, 90, 0, {"mb_per_second": 192.0}),
            Measurement("predict", 10**6, 4.0, 90, 0, {"tiles_per_second": 99_000.0}),
            Measurement("killed and resumed", 10**6, 4.0, None, 0, facts),
        )

    what = "1,000,000: sources of 0.01 % found in the finest layer, in 2 of 2"
    good = (shoal_row(10**6, 50.0), rare(58, 0.8, 0.99))
    assert judged(rows_of(*good, rare(59, 0.9, 0.8), *rest(20, [])))[what]
    found = judged(rows_of(*good, rare(59, 0.9, 0.79), *rest(20, ["assign/rows/whole.npy"])))
    assert not found[what]
    assert found["making 1,000,000 tiles, MB a second ≥ 150"]
    assert not found["1,000,000: new tiles placed a second ≥ 100000"]
    assert found["kills of one fit ≥ 20"]
    assert not found["after them the same bytes"]


def test_the_last_rows_of_each_part_count_and_stand_in_tables_of_their_own(tmp_path):
    first = rows_of(
        shoal_row(10**6, 20.0), peer_row("faiss", 10**6, 4.0, 0.7), shoal_row(FULL, 801.0)
    )
    for row in [*first, *rows_of(shoal_row(10**6, 30.0), context=LATER)]:
        append(row, tmp_path)
    kept = last_of_cases(read("tiles", tmp_path))
    assert sorted((row["case"], row["seconds"]) for row in kept) == [
        ("faiss", 4.0),
        ("shoal", 30.0),
        ("shoal", 801.0),
    ]
    page = draw([BENCHMARKS["tiles"]], {"tiles": kept})
    assert "| case | n | times | seconds | peak MiB | ami |" in page
    assert "| shoal, 1,000,000 | 1,000,000 | 1 | 30 | 900 | 0.900 |" in page
    assert "| shoal, 48,000,000 | 48,000,000 | 1 | 801 |" in page
    assert page.count("Commit abc") == 2


def test_a_part_that_is_none_is_refused(capsys):
    for words in (["tiles", "--only", "nonsense"], ["mnist", "--only", "shoal"]):
        with pytest.raises(SystemExit, match="2"):
            main(words)
    assert "there are make, floor, shoal" in capsys.readouterr().err


def test_the_folder_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert tiles.default_folder() == tmp_path / "shoal" / "tiles"


@pytest.mark.slow
def test_all_parts_together_on_a_small_set(tmp_path, monkeypatch):
    monkeypatch.setattr(tiles, "KILLS", 3)
    monkeypatch.setattr(tiles, "CONSTANTS", replace(tiles_musts.CONSTANTS, few=2_000))
    words = ["tiles", "--n=12000", "--tiles", tmp_path / "sets", "--results", tmp_path / "rows"]
    assert main([*map(str, words), "--page", str(tmp_path / "p.md")]) == 1  # too few to be fast
    rows = read("tiles", tmp_path / "rows")
    assert {row["case"].split(" source")[0] for row in rows} == {
        "make tiles",
        "floor",
        "shoal",
        "rare",
        "sklearn",
        "faiss",
        "uncompressed",
        "predict",
        "killed and resumed",
    }
    facts = {row["case"]: row["quality"] for row in rows}
    assert facts["shoal"]["primary_ami"] > facts["sklearn"]["ami"] > 0.4
    assert facts["shoal"]["best_by_truth_ami"] >= facts["shoal"]["finest_ami"]
    assert 0.001 < facts["shoal"]["disk_gb"] < 0.1
    assert set(facts["shoal"]["stages"]) >= {"index", "tree", "assign"}
    assert facts["predict"]["ami"] == pytest.approx(facts["shoal"]["primary_ami"], abs=0.05)
    assert facts["killed and resumed"]["kills"] == 3
    assert facts["killed and resumed"]["differing"] == []
    assert list((tmp_path / "sets").glob("tiles-12000-*.shoal"))
    assert "tiles: images of 16×16×3" in (tmp_path / "p.md").read_text()


def test_a_peer_loads_nothing_of_shoal():
    code = "import benchmarks.tiles_peer, sys; print([m for m in sys.modules if 'shoal' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
