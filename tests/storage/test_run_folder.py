import os
import subprocess
import sys

import pytest

from shoal.errors import RunError, StorageFullError
from shoal.storage.run_folder import FORMAT, RunFolder


@pytest.fixture
def run(tmp_path):
    with RunFolder.create(tmp_path / "mnist.shoal", {"seed": 0, "key": None}) as run:
        yield run


def test_a_run_is_opened_again_with_its_settings(tmp_path):
    settings = {"seed": 3, "shape": (16, 16, 3), "source": 'a "b" é', "memory": 2**32}
    with RunFolder.create(tmp_path / "a" / "b.shoal", {**settings, "key": None}) as run:
        assert run.settings == {**settings, "shape": [16, 16, 3]}
        assert RunFolder.open(run.path).about == run.about
    assert run.about["format"] == FORMAT
    assert "numpy" in run.about["versions"]


def test_stages_are_folders_in_it(run):
    assert run.stage("features").path == run.path / "features"
    with pytest.raises(ValueError, match="is not a name for a stage"):
        run.stage("../features")


def test_creating_it_again_replaces_the_settings_only(tmp_path):
    path = tmp_path / "r"
    with RunFolder.create(path, {"seed": 0}) as run:
        run.stage("index").begin("aa")
        before = (path / "run.toml").stat().st_ino
    with RunFolder.create(path, {"seed": 0}):
        assert (path / "run.toml").stat().st_ino == before
    with RunFolder.create(path, {"seed": 1}) as run:
        assert RunFolder.open(path).settings == {"seed": 1}
        assert (run.stage("index").path / "_begun.json").exists()


def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(RunError, match=r"is not empty and is not a run \(it has holiday\.jpg\)"):
        RunFolder.create(tmp_path, {})
    assert os.listdir(tmp_path) == ["holiday.jpg"]


def test_a_file_is_refused(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(RunError, match="is a file: give the run another name"):
        RunFolder.create(tmp_path / "a", {})
    with pytest.raises(RunError, match="is a file, not a run folder"):
        RunFolder.open(tmp_path / "a")
    with pytest.raises(StorageFullError, match=r"cannot be written \(Not a directory\)"):
        RunFolder.create(tmp_path / "a" / "b", {})


def test_an_empty_folder_or_a_creation_that_was_killed_is_taken(tmp_path):
    (tmp_path / ".run.toml.0123456789ab.tmp").write_text("form")
    (tmp_path / ".lock").write_text("")
    with RunFolder.create(tmp_path, {}):
        assert sorted(os.listdir(tmp_path)) == [".lock", "run.toml"]


@pytest.mark.parametrize("use", [RunFolder.open, lambda path: RunFolder.create(path, {})])
def test_a_run_of_a_newer_version(run, use):
    run.close()
    (run.path / "run.toml").write_text("format = 2\n")
    with pytest.raises(RunError) as caught:
        use(run.path)
    assert str(caught.value) == (
        f"{run.path} was written by a newer Shoal (format 2, this version reads up to 1): "
        "update with pip install -U shoal"
    )


@pytest.mark.parametrize("text", ["", "form", "format = 'one'", "\x00"])
def test_a_damaged_run_toml_is_named_and_written_anew_by_a_fit(run, text):
    run.close()
    (run.path / "run.toml").write_text(text)
    with pytest.raises(RunError, match=r"run\.toml is damaged: run the same shoal fit again"):
        RunFolder.open(run.path)
    with RunFolder.create(run.path, {"seed": 4}):
        assert RunFolder.open(run.path).settings == {"seed": 4}


def test_no_run_there(run, tmp_path):
    with pytest.raises(RunError, match=r"mnist.shaol does not exist: did you mean .*mnist.shoal"):
        RunFolder.open(tmp_path / "mnist.shaol")
    with pytest.raises(RunError, match=r"nothere.shoal does not exist: give the folder"):
        RunFolder.open(tmp_path / "nothere.shoal")
    with pytest.raises(RunError, match=r"is not a run folder .*: did you mean .*mnist.shoal"):
        RunFolder.open(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"is not a run folder \(no run.toml in it\): give the"):
        RunFolder.open(tmp_path / "empty")


OTHER = """
import sys
from shoal.errors import RunError
from shoal.storage.run_folder import RunFolder
try:
    RunFolder.create(sys.argv[1], {"seed": 9})
except RunError as error:
    print(error)
"""


def test_two_fits_in_one_run_are_refused(run):
    words = f"{run.path} is in use by another fit (process {os.getpid()}): wait until it ends"
    other = subprocess.run(
        [sys.executable, "-c", OTHER, str(run.path)], capture_output=True, text=True, check=True
    )
    assert other.stdout.startswith(words)
    with pytest.raises(RunError, match="is in use by another fit"):
        RunFolder.create(run.path, {})
    assert RunFolder.open(run.path).settings == {"seed": 0}
    run.close()
    RunFolder.create(run.path, {}).close()


def test_reading_needs_no_lock(run):
    assert RunFolder.open(run.path).path == run.path


def test_a_creation_that_fails_gives_the_lock_back(tmp_path):
    with pytest.raises(TypeError, match="cannot hold"):
        RunFolder.create(tmp_path / "r", {"a": object()})
    RunFolder.create(tmp_path / "r", {}).close()
