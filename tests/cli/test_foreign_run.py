"""A run received from others, with links in it: nothing outside is read, changed or deleted."""

import os
import shutil
import sqlite3

import pytest


@pytest.fixture
def foreign(run, tmp_path):
    """A copy of a run, as it came."""
    return shutil.copytree(run, tmp_path / "foreign.shoal", symlinks=True)


def test_info_of_a_run_as_shoal_wrote_it_calls_nothing_odd(shoal, told, foreign):
    assert shoal("edits", foreign, "--rename", "0=first").exit_code == 0
    result = shoal("info", foreign)
    assert (result.exit_code, result.stderr) == (0, "")
    assert told("info", foreign)["odd"] == []


def test_info_says_what_is_odd(shoal, told, foreign):
    (foreign / "notes.txt").write_text("look at cluster 3")
    (foreign / "map").symlink_to("/etc")
    result = shoal("info", foreign)
    assert result.exit_code == 0
    assert "notes.txt is a file that no run has" in result.stderr
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


@pytest.mark.parametrize("command", [["info"], ["labels"], ["edits", "--rename", "0=x"]])
def test_a_linked_log_of_edits_is_not_followed(shoal, foreign, tmp_path, command):
    other = tmp_path / "other.sqlite"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.commit()
    connection.close()
    before = other.read_bytes()
    (foreign / "edits.sqlite").symlink_to(other)
    result = shoal(command[0], foreign, *command[1:])
    assert "edits.sqlite is a symbolic link" in result.stdout + result.stderr
    assert other.read_bytes() == before
    assert set(os.listdir(tmp_path)) == {"foreign.shoal", "other.sqlite"}
