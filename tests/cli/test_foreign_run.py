"""A run received from others, with links in it: nothing outside is read, changed or deleted."""

import os
import shutil
import sqlite3

import numpy as np
import pytest

from shoal.errors import RunError
from shoal.explore.prepare import prepare_leaves, prepare_map
from shoal.storage import NOTES, RunFolder, delete_file, read_json, write_json, write_npy


@pytest.fixture
def foreign(run, tmp_path):
    """A copy of a run, without what other tests' explorers and maps put into it."""
    kept = shutil.ignore_patterns("map", "leaves", ".explore.lock")
    return shutil.copytree(run, tmp_path / "foreign.shoal", symlinks=True, ignore=kept)


def test_info_of_a_run_as_shoal_wrote_it_calls_nothing_odd(shoal, told, foreign):
    assert shoal("edits", "name", foreign, 0, "first").exit_code == 0
    result = shoal("info", foreign)
    assert (result.exit_code, result.stderr) == (0, "")
    assert told("info", foreign)["odd"] == []


def test_info_says_what_is_odd(shoal, told, foreign):
    (foreign / "notes.txt").write_text("look at cluster 3")
    (foreign / "map").symlink_to("/etc")
    result = shoal("info", foreign)
    assert result.exit_code == 0
    assert "notes.txt is an unexpected file" in result.stderr
    assert "map is a symbolic link to /etc" in result.stderr
    assert len(told("info", foreign)["odd"]) == 2


def test_info_says_what_is_odd_also_where_the_run_cannot_be_used(shoal, foreign):
    shutil.rmtree(foreign / "tree")
    (foreign / "tree").symlink_to("/etc")
    result = shoal("info", foreign)
    assert result.exit_code == 2
    assert "  tree is a symbolic link to /etc\n" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("shoal: ")


@pytest.mark.parametrize("kept", [True, False])
def test_a_fit_into_a_run_with_a_linked_stage_leaves_the_other_folder_alone(
    shoal, foreign, digits, tmp_path, kept
):
    other = tmp_path / "other"
    (foreign / "tree").rename(other)
    (foreign / "tree").symlink_to(other)
    before = {path: path.read_bytes() for path in other.rglob("*.*")}
    result = shoal(
        "fit", digits, "--key", "images", "-o", foreign, *([] if kept else ["--seed", "9"])
    )
    assert result.exit_code == 2
    assert f"{foreign / 'tree'} is a symbolic link" in result.stderr
    assert before == {path: path.read_bytes() for path in other.rglob("*.*")}


@pytest.mark.parametrize("command", [["info"], ["labels"], ["edits", "list"]])
def test_a_linked_log_of_edits_is_not_followed(shoal, foreign, tmp_path, command):
    other = tmp_path / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.commit()
    connection.close()
    before = other.read_bytes()
    (foreign / "edits.sqlite").symlink_to(other)
    result = shoal(*command, foreign)
    assert "edits.sqlite is a symbolic link" in result.stdout + result.stderr
    assert other.read_bytes() == before
    assert set(os.listdir(tmp_path)) == {"foreign.shoal", "other.sqlite"}


@pytest.mark.parametrize("name", ["leaves", "map", ".explore.lock"])
def test_what_the_explorer_keeps_is_not_put_behind_links(foreign, tmp_path, name):
    other = tmp_path / "other"
    if name == ".explore.lock":
        other.write_text("precious")
    else:
        write_npy(other / "spots" / "whole.npy", np.arange(3))
    before = [path.read_bytes() for path in (other, *other.rglob("*")) if path.is_file()]
    (foreign / name).symlink_to(other)
    folder = RunFolder.open(foreign)
    prepare = prepare_map if name == "map" else prepare_leaves
    if name == "map":
        prepare_leaves(folder, foreign)
    with pytest.raises(RunError, match=f"{name} is a symbolic link"):
        prepare(folder, foreign)
    assert before == [path.read_bytes() for path in (other, *other.rglob("*")) if path.is_file()]


def test_what_workers_note_is_not_read_or_deleted_behind_a_link(foreign, tmp_path):
    (tmp_path / "other").mkdir()
    for file in ("1.json", "x.json"):
        (tmp_path / "other" / file).write_text("{}")
    (foreign / NOTES).symlink_to(tmp_path / "other")
    for act in (read_json, delete_file, lambda path: write_json(path, {})):
        with pytest.raises(RunError, match=f"{NOTES} is a symbolic link"):
            act(foreign / NOTES / "1.json")
    assert sorted(os.listdir(tmp_path / "other")) == ["1.json", "x.json"]
