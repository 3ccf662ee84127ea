"""The benchmarks' rows, what is judged from them, and the page: no clustering is done here."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks import (
    answers,
    decode,
    identical,
    labelled,
    null,
    quality,
    reductions,
    shapes,
    structureless,
)
from benchmarks import measure as memory
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.base import Benchmark, Inputs, Measurement, at_least, at_most, share
from benchmarks.measure import measure
from benchmarks.photo_files import write_hostile
from benchmarks.rows import FIELDS, Context, append, last_run, make_row, read
from benchmarks.table import draw

from shoal.rows import as_requested, open_source

CONTEXT = Context(
    "abc123",
    "2026-01-02T03:04:05Z",
    {"cores": 2, "cpu": "some", "memory_gib": 8},
    {"python": "3.11.0"},
)


def rows_of(name, *measurements, context=CONTEXT):
    return [make_row(name, one, context) for one in measurements]


def fake(must=None):
    return Benchmark("fake", "a fake", lambda _: iter(()), lambda rows: [must] if must else [])


def test_row_has_all_fields_and_is_json():
    facts = {"ari": np.float32(0.5), "k": np.int64(3), "bad": float("nan"), "layers": [1, 2]}
    (row,) = rows_of("fake", Measurement("a", 10, 1.23456, 99.7, 0, facts))
    assert tuple(row) == FIELDS
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert row["quality"] == {"ari": 0.5, "k": 3, "bad": None, "layers": [1, 2]}
    assert (row["seconds"], row["peak_mib"], row["commit"]) == (1.235, 100, "abc123")


def test_context_names_neither_machine_nor_path():
    here = Context.here()
    told = json.dumps([here.commit, here.date, here.machine, here.versions])
    assert set(here.machine) == {"cores", "cpu", "memory_gib"}
    assert "/home" not in told
    assert "/work" not in told
    assert here.versions["numpy"] == np.__version__


def test_rows_are_kept_and_the_last_run_is_told_apart(tmp_path):
    later = Context("def", "2026-02-01T00:00:00Z", CONTEXT.machine, CONTEXT.versions)
    for context in (CONTEXT, later, later):
        for row in rows_of("fake", Measurement("a", 1, 1.0, None, 0), context=context):
            append(row, tmp_path)
    assert len(read("fake", tmp_path)) == 3
    assert [row["commit"] for row in last_run(read("fake", tmp_path))] == ["def", "def"]
    assert read("other", tmp_path) == []
    assert last_run([]) == []


def test_unknown_is_judged_by_case():
    def row(case, unseen, known):
        facts = {"unknown_of_unseen": unseen, "unknown_of_known": known}
        return Measurement(case, 10, 1.0, None, 0, facts)

    few, many = row("digits less one", 0.7, 0.02), row("digits less one", 0.9, 0.04)
    mnist = row("MNIST less 3 and 8", 0.84, 0.06)
    judged = BENCHMARKS["unknown"].musts(rows_of("unknown", few, many, mnist))
    assert [(one.figure, one.met) for one in judged] == [
        ("0.8", True),
        ("0.03", True),
        ("0.84", False),
        ("0.06", False),
    ]


def test_page_from_rows():
    rows = rows_of(
        "fake",
        Measurement("a", 1000, 1.0, 50, 0, {"ari": 0.91, "layers": [2, 5]}),
        Measurement("a", 1000, 3.0, 70, 1, {"ari": 0.99, "layers": [2, 5]}),
        Measurement("b", 10, 2.0, None, None, {"k": 1}),
    )
    page = draw([fake(at_least("ARI", 0.5, 0.9)), BENCHMARKS["mnist"]], {"fake": rows})
    assert "- MISSED: ARI ≥ 0.9: 0.5" in page
    assert "| 0 of 1 | ARI ≥ 0.9: 0.5 |" in page
    assert "| case | n | times | seconds | peak MiB | ari | layers | k |" in page
    assert "| a | 1,000 | 2 | 2 (1–3) | 60 (50–70) | 0.950 (0.910–0.990) | 2, 5 | – |" in page
    assert "| b | 10 | 1 | 2 | – | – | – | 1 |" in page
    assert "Commit abc123, 2026-01-02T03:04:05Z; 2 cores of some, 8 GiB" in page
    assert "MNIST" not in page


def test_page_is_drawn_by_the_command(tmp_path, capsys):
    assert main(["--table", "--results", str(tmp_path), "--page", str(tmp_path / "p.md")]) == 0
    assert (tmp_path / "p.md").read_text().startswith("# Benchmarks")
    assert main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(BENCHMARKS)


def test_missed_must_ends_with_1_and_rows_are_kept(tmp_path, monkeypatch):
    missed = Benchmark(
        "fake",
        "",
        lambda _: iter([Measurement("a", 1, 1.0, None, 0, {"k": 2})]),
        lambda rows: [share("K = 1", [row["quality"]["k"] == 1 for row in rows], 1)],
    )
    monkeypatch.setitem(BENCHMARKS, "fake", missed)
    words = ["fake", "--results", str(tmp_path), "--page", str(tmp_path / "p.md")]
    assert main(words) == 1
    assert len(read("fake", tmp_path)) == 1


def test_data_that_are_not_given(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("SHOAL_MNIST", raising=False)
    assert main(["mnist"]) == 2
    assert "give --mnist FILE or SHOAL_MNIST" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["mnist", "--mnist", str(tmp_path / "gone.npz")])
    with pytest.raises(SystemExit, match="2"):
        main(["nonsense"])


def test_musts():
    assert at_most("s", 40, 40).met
    assert not at_most("s", 40.1, 40).met
    assert share("good", [True, True, False], 2).met
    assert not share("good", [], 0).met
    assert str(at_least("ARI", 0.96, 0.955)) == "met: ARI ≥ 0.955: 0.96"


def test_musts_of_mnist():
    facts = {"ari": 0.96, "accuracy": 0.983, "k": 10}
    fits = [Measurement("fit", 70_000, 20.0, 900, seed, facts) for seed in range(9)]
    worse = Measurement("fit", 70_000, 20.0, 900, 9, {**facts, "k": 13, "ari": 0.9})
    between = Measurement("between seeds", 70_000, 0.0, None, None, {"least_ari": 0.98})
    musts = BENCHMARKS["mnist"].musts(rows_of("mnist", *fits, worse, between))
    assert all(must.met for must in musts)
    musts = BENCHMARKS["mnist"].musts(rows_of("mnist", *fits[1:], worse, worse, between))
    assert [must.met for must in musts] == [False, False, True, True, True]


def test_musts_of_forecasts():
    said = {"seconds_said": 15.0, "memory_said": 900.0, "disk_said": 90.0, "disk": 100.0}
    fit = Measurement("1 GiB", 10**6, 10.0, 700, 0, said)
    slow = Measurement("4 GiB", 10**6, 31.0, 5000, 0, said)
    musts = BENCHMARKS["forecast"].musts(rows_of("forecast", fit, slow))
    assert [must.met for must in musts] == [True, True, False, False]
    assert [must.figure for must in musts] == ["700", "1.5", "5000", "5.556"]


def test_musts_of_photos():
    found = {"k": 10, "ami": 0.93, "best_accuracy_at_9_to_11": 0.97, "photos_a_second": 90.0}
    odd = dict.fromkeys(("clustered", "to_be_clustered"), 700)
    odd |= dict.fromkeys(("listed_with_a_reason", "to_be_listed"), 300)

    def met(case="", **changed):
        facts = {
            "imagenette": found,
            "in 2 GiB": found,
            "first answer": {},
            "4000×3000": {"photos_a_second": 20.0},
            "odd files": odd,
        }
        rows = [
            Measurement(name, 10, 20.0, 1500, 0, {**quality, **(changed if name == case else {})})
            for name, quality in facts.items()
        ]
        return [must.met for must in BENCHMARKS["photos"].musts(rows_of("photos", *rows))]

    assert met() == [True] * 7
    assert met("imagenette", best_accuracy_at_9_to_11=0.9).index(False) == 0
    assert met("imagenette", ami=0.89).index(False) == 1
    assert met("imagenette", photos_a_second=50.0).index(False) == 2
    assert met("4000×3000", photos_a_second=11.0).index(False) == 3
    assert met("odd files", clustered=699).index(False) == 6
    assert met("odd files", listed_with_a_reason=1).index(False) == 6


def test_odd_files_are_odd_as_they_say(tmp_path):
    found = [np.random.default_rng(n).integers(0, 256, (50, 60, 3), np.uint8) for n in range(5)]
    readable, unreadable = write_hostile(found, tmp_path / "odd", 22)
    source = open_source(tmp_path / "odd")
    bad = source.read(0, source.n_rows).bad
    assert (readable, unreadable, source.n_rows) == (15, 12, 27)
    assert len(bad) == unreadable


def test_musts_of_fashion():
    def layers(*found):
        return rows_of(
            "fashion",
            *(
                Measurement(f"layer {at}", 60_000, 1.0, 1, 0, {"k": k, "nmi": nmi})
                for at, (k, nmi) in enumerate(found)
            ),
        )

    def met(*found):
        return [must.met for must in BENCHMARKS["fashion"].musts(layers(*found))]

    assert met((3, 0.5), (10, 0.71)) == [True, True]
    assert met((10, 0.71), (20, 0.7)) == [True, False]
    assert met((1, 0.0), (10, 0.71)) == [True, False]
    assert met((3, 0.5), (15, 0.71)) == [False, False]


def test_musts_of_peers():
    def met(umap_seconds, evoc_ari):
        found = [
            Measurement("shoal on pixels", 1, 10.0, 1, 0, {"ari": 0.9}),
            Measurement("evoc on pixels", 1, 8.0, 1, None, {"ari": evoc_ari}),
            Measurement("umap on pixels", 1, umap_seconds, 1, None, {"ari": 0.7}),
        ]
        return [must.met for must in BENCHMARKS["peers"].musts(rows_of("peers", *found))]

    assert met(50.0, 0.8) == [True, True, True, True]
    assert met(39.0, 0.95) == [False, True, True, False]


def test_rows_of_peers_are_kept_as_each_ends(tmp_path, monkeypatch):
    def stopped(_inputs):
        yield Measurement("shoal on pixels", 1, 10.0, 1, 0, {"ari": 0.9})
        yield Measurement("evoc on pixels", 1, 8.0, 1, None, {"ari": 0.95})
        raise KeyboardInterrupt

    peers = BENCHMARKS["peers"]
    monkeypatch.setitem(BENCHMARKS, "peers", replace(peers, run=stopped, needs=()))
    words = ["peers", "--results", str(tmp_path), "--page", str(tmp_path / "p.md")]
    with pytest.raises(KeyboardInterrupt):
        main(words)
    kept = read("peers", tmp_path)
    assert [row["case"] for row in kept] == ["shoal on pixels", "evoc on pixels"]
    # Of a run that was stopped, what can be judged is.
    assert [must.met for must in peers.musts(kept)] == [False, True]
    assert main(["--table", *words[1:]]) == 0
    assert "MISSED: ARI above that of EVoC" in (tmp_path / "p.md").read_text()


def answer(part, ami, listed, best, name="a"):
    facts = {"part": part, "k": 3, "ami": ami, "best_layer_ami": listed, "best_cut_ami": best}
    return Measurement(name, 10, 1.0, None, 0, facts)


def test_musts_of_quality_are_judged_for_each_part():
    found = [answer("chosen", 0.9, 0.9, 0.9, str(i)) for i in range(4)]
    found += [answer("chosen", 0.8, 0.85, 0.9, "last"), answer("judged", 0.5, 0.88, 0.9)]
    found += [
        Measurement(f"cloud {k}", 10, 1.0, None, 0, {"part": "structureless", "k": k})
        for k in (1, 2)
    ]
    musts = BENCHMARKS["quality"].musts(rows_of("quality", *found))
    assert [(must.met, must.figure) for must in musts] == [
        (True, "4 of 5"),
        (False, "4 of 5"),
        (False, "0 of 1"),
        (True, "1 of 1"),
        (False, "1 of 2"),
    ]
    page = draw([BENCHMARKS["quality"]], {"quality": rows_of("quality", *found)})
    assert page.count("| case | n |") == 3  # a table for each part


def test_the_best_cut_and_all_methods_are_scored_on_the_same_vectors(tmp_path, monkeypatch):
    wine = next(one for one in labelled.SETS if one.name == "wine")
    cloud = ("cloud", lambda generator, inputs: generator.normal(size=(60, 3)))
    photos = next(one for one in labelled.SETS if one.needs == "photos")
    monkeypatch.setattr(labelled, "SETS", (wine, photos))
    monkeypatch.setattr(structureless, "SETS", (cloud,))
    monkeypatch.setattr(answers, "PEERS", {"gone": ("no_such_module",), "odd": ("numpy",)})
    monkeypatch.setattr(answers.peer_fit, "odd", lambda rows, scratch: 1 // 0, raising=False)
    scored, none = answers.run(Inputs(tmp_path))
    facts = scored.quality
    assert (scored.case, scored.n, facts["groups"], facts["gone_ami"]) == ("wine", 178, 3, None)
    assert facts["best_cut_ami"] >= facts["best_layer_ami"] >= facts["ami"] > 0.5
    assert 0.5 < facts["kmeans_ami"] <= 1
    assert (none.case, none.quality["k"], none.quality["gone_k"]) == ("cloud", 1, None)
    assert (facts["odd_ami"], none.quality["odd_k"]) == (None, None)
    assert [one.case for one in answers.run(Inputs(tmp_path, only=("structureless",)))] == ["cloud"]


def test_sets_are_left_out_where_their_data_are_not():
    without = Inputs(Path())
    names = {name for name, _ in structureless.SETS if structureless.available(name, without)}
    assert {"shuffled wine", "swiss roll, 500", "patches, china"} <= names
    assert not {"shuffled fashion", "shuffled mnist, 5,000", "one digit, 3"} & names


def test_every_kind_of_source_is_decoded_alike(tmp_path):
    files = decode.encoded(5, (60, 90), "JPEG")
    found = []
    for name, write in decode.WRITERS.items():
        source = open_source(write(tmp_path / "small", files))
        rows = list(decode.measure(name, source))
        assert [row.n for row in rows] == [5] * decode.REPEATS
        assert all(row.quality["images_a_second"] > 0 for row in rows)
        found.append(as_requested(source, decode.WANTED).read(0, 5).data)
    for data in found:
        np.testing.assert_array_equal(data, found[0])
    progressive, png = (decode.encoded(1, (60, 90), form) for form in ("progressive JPEG", "PNG"))
    assert b"\xff\xc2" in progressive[0]
    assert png[0].startswith(b"\x89PNG")


def test_noise_is_an_error():
    truth = np.array([0, 0, 0, 1, 1, 1])
    assert quality.ari(truth, truth) == quality.accuracy(truth, truth) == 1
    half = np.array([0, 0, -1, 1, 1, -1])
    assert quality.ari(truth, half) == quality.ari(truth, np.array([0, 0, 2, 1, 1, 3]))
    assert quality.accuracy(truth, half) == pytest.approx(4 / 6)
    assert quality.accuracy(truth, np.full(6, -1)) == 0
    assert quality.count(half) == 2


def test_fifty_structureless_sets_are_drawn():
    sets = null.sets()
    assert len(sets) == len(set(sets)) == 50
    assert {n for _, n, _ in sets} >= {500, 100_000}
    features = np.random.default_rng(0).normal(size=(600, 7))
    for kind in {kind for kind, _, _ in sets}:
        x = null.draw(kind, 500, 3, 1, features)
        assert x.dtype == np.float32
        assert x.shape == (500, 7 if kind == "permuted" else 3)
        assert np.array_equal(x, null.draw(kind, 500, 3, 1, features))


def test_drawn_groups_lie_apart():
    x, truth = shapes.spread([50, 20, 5], [1.0, 2.0, 0.5], 2, 4.0, 0)
    assert np.bincount(truth).tolist() == [50, 20, 5]
    centres = np.array([x[truth == k].mean(0) for k in range(3)])
    assert np.linalg.norm(centres[0] - centres[1]) > 10


def test_runs_are_compared_without_time_and_memory(tmp_path):
    for name, seconds, value in (("a", 1, 5), ("b", 2, 5), ("c", 1, 6)):
        (tmp_path / name / "tree").mkdir(parents=True)
        receipt = {"fingerprint": "f", "seconds": seconds, "peak_memory": seconds}
        (tmp_path / name / "tree" / "_done.json").write_text(json.dumps(receipt))
        (tmp_path / name / "run.toml").write_text(f"[settings]\nworkers = {seconds}\nseed = 0\n")
        np.save(tmp_path / name / "tree" / "whole.npy", value)
    assert identical.differing(tmp_path / "a", tmp_path / "b") == []
    assert identical.differing(tmp_path / "a", tmp_path / "c") == ["tree/whole.npy"]


WORK = """
import pathlib, subprocess, sys, time
out = pathlib.Path(sys.argv[1])
out.mkdir(exist_ok=True)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
for number in range(6):
    if not (out / str(number)).exists():
        time.sleep(0.2)
        part = out.with_name("part")  # renamed whole: it may be killed while it writes
        part.write_text(str(child.pid))
        part.rename(out / str(number))
child.kill()
"""


def test_work_is_killed_by_progress_and_by_time(tmp_path):
    command = [sys.executable, "-c", WORK, str(tmp_path / "out")]
    left = identical.kill_often(command, tmp_path / "out", [3.0, 1.0])
    assert len(left) == 2
    assert left[0] >= 1
    assert left[1] >= 3
    children = {int(path.read_text()) for path in (tmp_path / "out").iterdir()}
    # Killed with their group: they would live for a minute otherwise.
    until(lambda: all(_is_gone(child) for child in children))
    assert len(identical.kill_after(command, tmp_path / "out", [0.1, 0.1])) == 2
    assert identical.kill_after(command, tmp_path / "out", [60.0, 0.1]) == []
    assert len(list((tmp_path / "out").iterdir())) == 6
    assert identical.kill_often(command, tmp_path / "out", [7.0]) == []


def until(holds):
    """Ask again and again: what was killed takes a moment to go."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def _is_gone(pid):  # a zombie whose parent is gone may still be listed
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state in "ZX"


def test_process_tree_is_measured(tmp_path, monkeypatch):
    seen, pss = tmp_path / "seen", memory._pss

    def noting(pid):
        found = pss(pid)
        if found > 200 << 20:
            seen.touch()
        return found

    monkeypatch.setattr(memory, "_pss", noting)
    held = (
        "import os, time; x = bytearray(200 << 20); x[::4096] = b'1' * len(x[::4096])\n"
        f"while not os.path.exists({str(seen)!r}): time.sleep(.01)"
    )
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {held!r}], check=True)"
    used = measure([sys.executable, "-c", child])
    assert 200 < used.peak_mib < 400
    assert used.seconds > 0
    with pytest.raises(RuntimeError, match="exit 3"):
        measure([sys.executable, "-c", "import sys; sys.exit(3)"])


def test_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--list"], capture_output=True, text=True, check=True
    )
    assert "mnist" in done.stdout


def test_reductions_are_judged_by_the_last_rows():
    def row(case, seconds, peak, **quality):
        return {"case": case, "n": 9, "seconds": seconds, "peak_mib": peak, "quality": quality}

    rows = [
        row("svd", 90.0, 900.0, by="shoal"),
        row("svd, exactness", 0.0, None, error=1e-5),
        row("svd, plain", 40.0, 9000.0, by="scikit-learn", error=0.02),
        row("kmeans, 1M × 64", 9.0, 700.0, declined=""),
        row("optics, 1M × 64", 0.0, None, declined="Traceback (most recent call last):"),
    ]
    judged = reductions.musts(rows)
    assert [must.met for must in judged] == [True, True, False, True, False]
    assert judged[2].figure == "2.25"
    assert reductions.musts([]) == []
