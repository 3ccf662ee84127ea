"""Every file of a run, damaged in every way: one sentence names it and says what to do."""

import io
import itertools
import json
import shutil
import sqlite3
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import shoal
from shoal.cli.app import app
from shoal.edits.rows import pack
from shoal.errors import RunError

COMMANDS = ("info", "layers", "labels", "edits list")


def numpy_file(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def parquet_file(table):
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def changed_json(data):
    """The same, with other keys."""
    return json.dumps({"of": json.loads(data)}).encode()


ANY = {
    "empty": lambda data: b"",
    "cut short": lambda data: data[: len(data) // 2],
    "no text": lambda data: b"\xff\xfe\x00" * 40,
    "longer": lambda data: data + b"\0",
}
JSON = {
    "other keys": changed_json,
    "a list": lambda data: b"[]",
    "a list of numbers": lambda data: b"[1, 2]",
    "a text": lambda data: b'"layers"',
    "nothing": lambda data: b"null",
    "no number": lambda data: b"NaN",
    "deep": lambda data: b"[" * 5000 + b"]" * 5000,
}
DAMAGES = {
    ".json": ANY | JSON,
    ".npy": ANY
    | {
        "floats": lambda data: numpy_file(np.zeros(3)),
        "texts": lambda data: numpy_file(np.array(["a", "b"])),
        "one number": lambda data: numpy_file(np.array(3)),
        "none": lambda data: numpy_file(np.empty((0, 2), np.int32)),
    },
    ".parquet": ANY
    | {
        "other columns": lambda data: parquet_file(pa.table({"x": [1, 2]})),
        "texts": lambda data: parquet_file(
            pa.table({name: ["a"] for name in pq.read_schema(io.BytesIO(data)).names})
        ),
        "no rows": lambda data: parquet_file(pq.read_schema(io.BytesIO(data)).empty_table()),
    },
    ".toml": ANY
    | {
        "no format": lambda data: b"[settings]\nseed = 0\n",
        "a text for the format": lambda data: data.replace(b"format = 1", b'format = "1"'),
        "a text for the settings": lambda data: b'format = 1\nsettings = "none"\n',
        "a text for the seed": lambda data: data.replace(b"seed = 0", b'seed = "x"'),
        "cut at the end of a line": lambda data: data[: data.index(b"seed = 0")],
        "cut before the last table": lambda data: data[: data.index(b"[versions]")],
        "a number for the source": lambda data: b"format = 1\n[settings]\nsource = 3\n",
    },
    ".sqlite": {"empty": ANY["empty"], "cut short": ANY["cut short"], "no text": ANY["no text"]},
}


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A run of a table through representatives, with edits: it has nearly every kind of file."""
    root = tmp_path_factory.mktemp("damage")
    draw = np.random.default_rng(0)
    rows = [
        f"r{at},{draw.normal() + 9 * (at % 3):.4f},{draw.normal() + 9 * (at % 2):.4f},"
        f"{'abc'[at % 3]},{2000 + at % 20}-01-0{at % 9 + 1}"
        for at in range(400)
    ]
    (root / "table.csv").write_text("\n".join(["name,a,b,kind,since", *rows]))
    path = root / "run.shoal"
    run = shoal.fit(root / "table.csv", path, workers=1, representatives=60)
    run.edits.rename(0, "first")
    run.edits.move([3, 4])
    run.edits.close()
    return path


@pytest.fixture
def run(fitted, tmp_path):
    return shutil.copytree(fitted, tmp_path / "run.shoal")


def files_of(path):
    return sorted(
        file
        for file in path.rglob("*")
        if file.suffix in DAMAGES and file.parents[1].name != "places"
    )


def said(path, command):
    """Run a command; give what was said, and see that nothing was our fault."""
    result = CliRunner().invoke(app, [*command.split(), str(path)])
    assert result.exit_code in (0, 2), (command, result.stderr)
    lines = result.stderr.splitlines()
    assert result.exit_code == 0 or (len(lines) == 1 and lines[0].startswith("shoal: "))
    return result.stderr


@pytest.mark.parametrize("suffix", DAMAGES)
def test_a_damaged_file_is_named_with_what_to_do(run, suffix):
    files = [file for file in files_of(run) if file.suffix == suffix]
    assert files
    commands = itertools.cycle(COMMANDS)
    for file in files:
        data = file.read_bytes()
        for damage, make in DAMAGES[suffix].items():
            file.write_bytes(make(data))
            found = said(run, next(commands))
            if file.name == "_begun.json" or (suffix, damage) == (".sqlite", "empty"):
                assert found == "", (file, damage)  # nothing depends on it
            elif suffix == ".sqlite":
                assert f"{file} is damaged" in said(run, "labels"), damage
            else:
                assert str(file) in found, (file, damage, found)
                assert "shoal fit" in found
            file.write_bytes(data)
    assert [said(run, command) for command in COMMANDS] == [""] * len(COMMANDS)


def test_content_that_the_receipt_agrees_with_is_checked_too(run):
    commands = itertools.cycle(COMMANDS)
    for file in files_of(run):
        if file.suffix != ".json" or file.name.startswith("_"):
            continue
        receipt = file.parents[1] / "_done.json"
        name, kept = f"{file.parent.name}/{file.name}", receipt.read_bytes()
        data = file.read_bytes()
        for make in JSON.values():
            file.write_bytes(make(data))
            facts = json.loads(kept)
            facts["parts"][name] = [len(make(data)), zlib.crc32(make(data))]
            receipt.write_text(json.dumps(facts))
            said(run, next(commands))
        file.write_bytes(data)
        receipt.write_bytes(kept)


WRONG = {
    "fingerprint": [None, 3, []],
    "counts": [None, 3, "x", []],
    "seconds": [None, "x", [], {}],
    "peak_memory": [None, "x", 1.5],
    "parts": [None, 3, "x", [], {"a": 1}, {"rows/whole.npy": [1]}, {"rows/whole.npy": ["a", "b"]}],
}


@pytest.mark.parametrize("field", WRONG)
def test_a_receipt_of_other_types_is_named(run, field):
    receipt = run / "summarise" / "_done.json"
    facts = json.loads(receipt.read_text())
    for value in WRONG[field]:
        receipt.write_text(json.dumps({**facts, field: value}))
        assert f"{receipt} is damaged" in said(run, "info"), value


def test_parts_of_the_right_size_that_hold_other_numbers_are_found_when_it_matters(run):
    part = run / "assign" / "rows" / "part-00000.parquet"
    data = bytearray(part.read_bytes())
    data[4:200] = bytes(196)
    part.write_bytes(data)
    assert str(part) in said(run, "labels")
    with pytest.raises(RunError, match=r"part-00000\.parquet is missing or damaged"):
        shoal.open(run).verify()


def test_a_fit_mends_json_of_the_right_size(run, fitted):
    for name in ("tree/layers/whole.json", "index/summary/whole.json"):
        file = run / name
        data = file.read_bytes()
        file.write_bytes(data.replace(b"t", b"z"))
        source = fitted.parent / "table.csv"
        shoal.fit(source, run, workers=1, representatives=60)
        assert file.read_bytes() == data


EDITS = {
    "no JSON": ("facts", "{"),
    "a list": ("facts", "[]"),
    "no keys": ("facts", "{}"),
    "other types": ("facts", '{"cluster": "x", "name": 3, "to": [], "new": 1, "count": 2}'),
    "another operation": ("op", "explode"),
    "too many to undo": ("op", "undo"),
    "no rows": ("rows", b"junk"),
    "rows that are not there": ("rows", pack(np.array([10**6]))),
    "millions of rows in a few bytes": ("rows", zlib.compress(b"\1\0\0\0" * 10**6)),
}


@pytest.mark.parametrize("damage", EDITS)
def test_a_damaged_edit_is_named(run, damage):
    column, value = EDITS[damage]
    connection = sqlite3.connect(run / "edits.sqlite")
    connection.execute("DROP TRIGGER edits_are_not_changed")
    connection.execute(f"UPDATE edits SET {column} = ? WHERE seq = 2", (value,))
    connection.commit()
    connection.close()
    assert f"{run / 'edits.sqlite'} is damaged" in said(run, "labels")
    assert said(run, "info") == ""


@pytest.mark.parametrize("damage", DAMAGES[".npy"])
def test_what_is_kept_beside_the_fit_is_made_anew(run, damage):
    expected = shoal.open(run).labels()
    kept = [*(run / "places").glob("*/whole.npy")]
    assert len(kept) == 2
    for file in kept:
        data = file.read_bytes()
        file.write_bytes(DAMAGES[".npy"][damage](data))
        assert np.array_equal(shoal.open(run).labels(), expected)
        run_ = shoal.open(run)
        run_.edits.sizes()
        assert file.read_bytes() == data


def test_a_damaged_verdict_on_added_rows_is_named(tmp_path):
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(300, 4)) + np.repeat([[0], [20], [50]], 100, 0)
    shoal.fit(rows[::2], tmp_path / "old", workers=1)
    both = np.concatenate([rows[::2], rows[1::2]])
    shoal.fit(both, tmp_path / "new", workers=1, previous=str(tmp_path / "old"))
    report, receipt = (tmp_path / "new" / "drift" / name for name in ("report", "_done.json"))
    report /= "whole.json"
    data, facts = report.read_bytes(), json.loads(receipt.read_text())
    for make in (ANY | JSON).values():
        report.write_bytes(make(data))
        assert str(report) in said(tmp_path / "new", "info")
        facts["parts"]["report/whole.json"] = [len(make(data)), zlib.crc32(make(data))]
        receipt.write_text(json.dumps(facts))
        assert str(report) in said(tmp_path / "new", "info")
