"""Copies set apart, and put back."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from shoal.duplicates import find_duplicates, keep_one, remove_copies, undo
from shoal.errors import InputError


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures in two folders, of which two are copied once and once."""
    rng = np.random.default_rng(0)
    root = tmp_path / "pictures"
    for part in ("a", "b"):
        (root / part).mkdir(parents=True)
        for number in range(6):
            pixels = rng.integers(0, 256, (20, 20, 3), np.uint8)
            Image.fromarray(pixels).save(root / part / f"{number}.png")
    (root / "b" / "copy.png").write_bytes((root / "a" / "0.png").read_bytes())
    (root / "a" / "copy.png").write_bytes((root / "b" / "3.png").read_bytes())
    return root


def state(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_copies_move_away_and_come_back(folder, tmp_path):
    before, away = state(folder), tmp_path / "away"
    outcome = remove_copies(find_duplicates(folder), away)
    assert outcome.done == 2
    assert len(state(folder)) == 12
    assert set(state(folder)) | set(state(away)) == {*before, "duplicates.json"}
    assert undo(away).done == 2
    assert state(folder) == before
    assert not away.exists()


def test_a_collection_without_copies_is_written_and_deleted(folder, tmp_path):
    before, clean = state(folder), tmp_path / "clean"
    assert keep_one(find_duplicates(folder), clean).done == 12
    pictures = [data for name, data in state(clean).items() if name.endswith(".png")]
    assert len(set(pictures)) == len(pictures) == 12
    assert state(folder) == before
    assert undo(clean).done == 12
    assert not clean.exists()


def test_what_changed_meanwhile_stays(folder, tmp_path):
    away = tmp_path / "away"
    remove_copies(find_duplicates(folder), away)
    moved = sorted(p for p in away.rglob("*.png"))
    moved[0].write_bytes(b"mine now")
    (folder / moved[1].relative_to(away)).write_bytes(b"another")
    outcome = undo(away)
    assert outcome.done == 0
    assert len(outcome.left) == 2
    assert moved[0].read_bytes() == b"mine now"
    assert (folder / moved[1].relative_to(away)).read_bytes() == b"another"
    assert (away / "duplicates.json").exists()


def test_rows_of_an_archive_are_written_not_moved(folder, tmp_path):
    archive = tmp_path / "pictures.tar"
    with tarfile.open(archive, "w") as tar:
        for name, data in state(folder).items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    found = find_duplicates(archive)
    with pytest.raises(InputError, match="--keep-one"):
        remove_copies(found, tmp_path / "away")
    assert keep_one(found, tmp_path / "clean").done == 12


def test_a_folder_in_use_is_refused(folder, tmp_path):
    found = find_duplicates(folder)
    with pytest.raises(InputError, match="not empty"):
        remove_copies(found, folder)
    with pytest.raises(InputError, match="no copies were moved there"):
        undo(folder)


@pytest.mark.parametrize("name", ["../outside.png", "/outside.png", ""])
def test_a_manifest_that_leads_outside_is_refused(folder, tmp_path, name):
    away = tmp_path / "away"
    remove_copies(find_duplicates(folder), away)
    manifest = json.loads((away / "duplicates.json").read_text())
    manifest["files"][0]["to"] = name
    (away / "duplicates.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="damaged"):
        undo(away)


def test_a_manifest_places_nothing_but_images(folder, tmp_path):
    away, start_up = tmp_path / "away", tmp_path / ".profile"
    remove_copies(find_duplicates(folder), away)
    manifest = json.loads((away / "duplicates.json").read_text())
    manifest["files"][0]["from"] = str(start_up)
    (away / "duplicates.json").write_text(json.dumps(manifest))
    outcome = undo(away)
    assert [reason for _, reason in outcome.left] == [
        f"{start_up} is not an image file name: move it by hand"
    ]
    assert not start_up.exists()


def test_a_link_in_the_folder_is_not_followed(folder, tmp_path):
    away, other = tmp_path / "away", tmp_path / "other"
    remove_copies(find_duplicates(folder), away)
    (away / "b").rename(other)
    (away / "b").symlink_to(other)
    outcome = undo(away)
    assert any("link" in reason for _, reason in outcome.left)
    assert list(other.iterdir())
