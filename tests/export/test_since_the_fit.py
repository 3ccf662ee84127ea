"""Files that became others after the fit, in folders that somebody else can write to."""

import io
import json
import os
import shutil
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image
from tests.explore.conftest import client_of

import shoal
from shoal.errors import InputError, RunError, SourceError
from shoal.explore.explorer import Explorer
from shoal.explore.prepare import prepare_leaves
from shoal.export import lay_out, undo, write_report
from shoal.storage import RunFolder

DRAW = np.random.default_rng(0)


def picture(path, kind):
    pixels = np.full((16, 16, 3), 70 * kind + 20, np.uint8)
    pixels[:, 4 * kind : 4 * kind + 4] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels - DRAW.integers(0, 8, pixels.shape, np.uint8)).save(path, "BMP")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """60 files in two folders, and 20 links to others elsewhere, fitted."""
    root = tmp_path_factory.mktemp("since")
    for at in range(60):
        picture(root / "photos" / f"part{at % 2}" / f"{at:02d}.bmp", at % 3)
    (root / "photos" / "links").mkdir()
    for at in range(20):
        picture(root / "elsewhere" / f"{at:02d}.bmp", at % 3)
        link = root / "photos" / "links" / f"link{at:02d}.bmp"
        link.symlink_to(root / "elsewhere" / f"{at:02d}.bmp")
    shoal.fit(root / "photos", root / "run.shoal", workers=1)
    for name in ("photos", "elsewhere"):
        shutil.copytree(root / name, root / "kept" / name, symlinks=True)
    (root / "private").mkdir()
    return root


@pytest.fixture
def place(fitted):
    """That place as it was fitted, with a private picture beside it."""
    for name in ("photos", "elsewhere"):
        path = fitted / name
        path.unlink() if path.is_symlink() else shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(fitted / "kept" / name, path, symlinks=True)
    Image.new("RGB", (16, 16), (1, 2, 3)).save(fitted / "private" / "secret.bmp")
    return fitted


def opened(place):
    return shoal.open(place / "run.shoal")


def names_of(run):
    return run.source.names(0, run.n_rows)


def copied(folder):
    return {path.name: path.read_bytes() for path in folder.glob("cluster-*/*")}


def put_in_place(private, of):
    """Give a private file the size and time of another, and put a link to it there."""
    found = of.stat()
    os.utime(private, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert private.stat().st_size == found.st_size
    of.unlink()
    of.symlink_to(private)
    return private.read_bytes()


def test_what_is_as_it_was_is_laid_out_also_through_links(place, tmp_path):
    run = opened(place)
    assert not run.changed.any()
    outcome = lay_out(run, tmp_path / "out")
    assert (outcome.done, outcome.left) == (80, ())
    made = copied(tmp_path / "out")
    for name in names_of(run):
        original = place / "photos" / name
        assert made[original.name] == original.read_bytes()
    first = next((tmp_path / "out").glob("cluster-*/00.bmp"))
    assert first.stat().st_mtime_ns == (place / "photos" / "part0" / "00.bmp").stat().st_mtime_ns
    assert undo(tmp_path / "out").done == 80


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize(
    "name", ["part0/00.bmp", "links/link03.bmp"], ids=["a file", "a link that led elsewhere"]
)
def test_a_private_file_behind_a_new_link_is_not_copied_out(place, tmp_path, name, changed):
    secret = put_in_place(place / "private" / "secret.bmp", place / "photos" / name)
    run = opened(place)
    row = names_of(run).index(name)
    assert np.flatnonzero(run.changed).tolist() == [row]
    outcome = lay_out(run, tmp_path / "out", changed=changed)
    [(target, reason)] = outcome.left
    assert target.endswith(os.path.basename(name))
    assert ("symbolic link" if changed else "modification time changed") in reason
    assert secret not in copied(tmp_path / "out").values()
    for read in (run.source.read_original, run.source.encoded):
        with pytest.raises(SourceError, match="symbolic link"):
            read(row)
    assert "symbolic link" in run.source.read(row, row + 1).bad[0]
    write_report(run, tmp_path / "report.html")  # without that picture


def test_a_folder_that_became_a_link_is_not_copied_out(place, tmp_path):
    private, part = tmp_path / "private", place / "photos" / "part1"
    shutil.copytree(part, private)  # the same names, sizes and times
    shutil.rmtree(part)
    part.symlink_to(private)
    run = opened(place)
    assert [names_of(run)[row] for row in np.flatnonzero(run.changed)] == [
        name for name in names_of(run) if name.startswith("part1/")
    ]
    outcome = lay_out(run, tmp_path / "out", changed=True)
    assert (outcome.done, len(outcome.left)) == (50, 30)


@pytest.mark.parametrize("mode", ["copy", "symlink", "hardlink"])
def test_a_changed_file_is_named_and_taken_only_when_asked_for(place, tmp_path, mode):
    picture(place / "photos" / "part0" / "02.bmp", 3)
    os.utime(place / "elsewhere" / "05.bmp", ns=(5, 5))
    run = opened(place)
    outcome = lay_out(run, tmp_path / "out", mode=mode)
    assert {os.path.basename(target) for target, _ in outcome.left} == {"02.bmp", "link05.bmp"}
    assert all("--changed" in reason for _, reason in outcome.left)
    again = lay_out(opened(place), tmp_path / "all", mode=mode, changed=True)
    assert (again.done, again.left) == (80, ())
    run.source.read_original(names_of(run).index("part0/02.bmp"))  # may be looked at
    assert undo(tmp_path / "all").done == 80


def test_files_that_all_have_another_time_are_one_sentence(place, tmp_path):
    for path in [*place.glob("photos/part*/*"), *place.glob("elsewhere/*")]:
        os.utime(path, ns=(7, 7))
    with pytest.raises(InputError, match=r"every file of .* --changed"):
        lay_out(opened(place), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert lay_out(opened(place), tmp_path / "out", changed=True).done == 80


def test_a_link_made_while_it_is_exported_is_not_followed(place, tmp_path):
    run = opened(place)
    _ = run.changed  # the source is listed
    secret = put_in_place(place / "private" / "secret.bmp", place / "photos" / "part0" / "04.bmp")
    outcome = lay_out(run, tmp_path / "out")
    [(target, reason)] = outcome.left
    assert target.endswith("04.bmp")
    assert "became a symbolic link" in reason
    assert secret not in copied(tmp_path / "out").values()


def test_the_explorer_shows_and_exports_no_private_picture(place):
    prepare_leaves(RunFolder.open(place / "run.shoal"), place / "run.shoal")
    secret = put_in_place(place / "private" / "secret.bmp", place / "photos" / "part0" / "06.bmp")
    os.utime(place / "photos" / "part0" / "08.bmp", ns=(5, 5))
    run = opened(place)
    client = client_of(Explorer(run, place / "run.shoal"))
    row = names_of(run).index("part0/06.bmp")
    answer = client.get(f"/api/image?row={row}")
    assert (answer.status_code, "symbolic link" in answer.text) == (400, True)
    file = zipfile.ZipFile(io.BytesIO(client.get("/api/export?as=folders").content))
    assert secret not in [file.read(name) for name in file.namelist()]
    left = file.read("left-out.txt").decode().splitlines()
    assert len(left) == 2
    assert all("part0/0" in line and "modification time changed" in line for line in left)
    assert len(file.namelist()) == 78 + 1


def test_a_run_of_an_earlier_version_knows_links_by_size_and_time(place, tmp_path):
    run = shutil.copytree(place / "run.shoal", tmp_path / "old.shoal")
    shutil.rmtree(run / "index" / "links")
    summary, receipt = run / "index" / "summary" / "whole.json", run / "index" / "_done.json"
    summary.write_text(summary.read_text().replace('"links": true', '"named": true'))
    facts = json.loads(receipt.read_text())
    parts = {name: known for name, known in facts["parts"].items() if "links/" not in name}
    data = summary.read_bytes()
    parts["summary/whole.json"] = [len(data), zlib.crc32(data)]
    receipt.write_text(json.dumps({**facts, "parts": parts}))
    assert not shoal.open(run).changed.any()
    (place / "photos" / "links" / "link07.bmp").unlink()
    (place / "photos" / "links" / "link07.bmp").symlink_to(place / "private" / "secret.bmp")
    old = shoal.open(run)
    row = names_of(old).index("links/link07.bmp")
    with pytest.raises(SourceError, match="symbolic link"):
        old.source.encoded(row)


KINDS = {
    "npy": lambda path, a: np.save(path, a),
    "npz": lambda path, a: np.savez(path, images=a),
    "csv": lambda path, a: np.savetxt(
        path, a.reshape(len(a), -1)[:, :12] + np.random.default_rng(1).normal(size=(len(a), 12)),
        delimiter=",", header=",".join(f"e{i}" for i in range(12)), comments="",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_file_that_became_a_link_is_not_read(tmp_path, kind):
    draw = np.random.default_rng(0)
    rows = draw.integers(0, 80, (60, 8, 8), np.uint8) + np.arange(60)[:, None, None] % 3 * 80
    source, private = tmp_path / f"rows.{kind}", tmp_path / f"private.{kind}"
    KINDS[kind](source, rows.astype(np.uint8))
    shoal.fit(source, tmp_path / "run.shoal", workers=1)
    run = shoal.open(tmp_path / "run.shoal")
    assert not run.changed.any()
    assert run.source.n_rows == 60
    os.utime(source, ns=(5, 5))
    assert shoal.open(run.path).changed.all()
    source.rename(private)
    source.symlink_to(private)
    run = shoal.open(tmp_path / "run.shoal")
    with pytest.raises(RunError, match=r"has become a symbolic link"):
        _ = run.source
    assert len(run.labels()) == 60


def test_a_large_file_that_was_a_link_may_be_one(tmp_path):
    np.save(tmp_path / "real.npy", np.random.default_rng(0).integers(0, 255, (60, 8, 8), np.uint8))
    (tmp_path / "rows.npy").symlink_to(tmp_path / "real.npy")
    shoal.fit(tmp_path / "rows.npy", tmp_path / "run.shoal", workers=1)
    assert not shoal.open(tmp_path / "run.shoal").changed.any()
