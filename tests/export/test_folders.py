import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import shoal
from shoal.errors import InputError, StorageFullError
from shoal.export import lay_out, undo
from shoal.export.plan import free_name, plan_actions, safe_name
from shoal.export.report import report_html


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())


def test_images_of_an_array_are_written_as_png_by_cluster(image_run, tmp_path):
    out = tmp_path / "out"
    done = lay_out(image_run, out)
    assert (done.done, done.before, done.left) == (40, 0, ())
    assert files(out)[:2] == ["cluster-000/row-00.png", "cluster-000/row-01.png"]
    assert len(files(out)) == 41
    for row in (0, 39):
        path = next(out.glob(f"*/row-{row:02d}.png"))
        assert np.array_equal(
            np.asarray(Image.open(path)), image_run.source.read(row, row + 1).data[0, ..., 0]
        )


def test_images_of_an_archive_are_copied_out_as_they_lie(archive_run, folder_run, tmp_path):
    out = tmp_path / "out"
    lay_out(archive_run, out)
    manifest = json.loads((out / "manifest.json").read_text())
    assert len(manifest["actions"]) == 40
    for action in manifest["actions"]:
        origin = folder_run.source.path(action["row"])
        assert (out / action["target"]).read_bytes() == origin.read_bytes()
        assert Path(action["target"]).suffix.lower() == ".png"
    with pytest.raises(InputError, match="not local files, which a symlink needs"):
        lay_out(archive_run, tmp_path / "links", mode="symlink")
    assert undo(out).done == 40
    assert not out.exists()


def test_the_manifest_lists_every_action_the_outliers_and_the_quarantined(image_run, tmp_path):
    lay_out(image_run, tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["k"] == 4
    assert manifest["quarantined"] == image_run.quarantine.to_pylist()
    assert [a["row"] for a in manifest["actions"] if a["outlier"]] == [0, 7, 14, 21, 28, 35]
    assert all(a["made"]["bytes"] > 0 for a in manifest["actions"])
    assert {f"{a['target']}" for a in manifest["actions"]} == set(files(tmp_path / "out")) - {
        "manifest.json"
    }


@pytest.mark.parametrize("mode", ["copy", "symlink", "hardlink"])
def test_each_mode_lays_out_the_files_and_is_undone_exactly(folder_run, tmp_path, mode):
    out = tmp_path / "out"
    lay_out(folder_run, out, mode=mode)
    manifest = json.loads((out / "manifest.json").read_text())
    for action in manifest["actions"]:
        target, origin = out / action["target"], folder_run.source.path(action["row"])
        assert target.read_bytes() == origin.read_bytes()
        assert target.is_symlink() == (mode == "symlink")
        assert target.samefile(origin) == (mode != "copy")
    assert len({a["target"].casefold() for a in manifest["actions"]}) == 40
    before = files(tmp_path / "photos")
    assert undo(out).done == 40
    assert not out.exists()
    assert files(tmp_path / "photos") == before


def test_undo_leaves_what_was_changed_since_or_was_never_ours(folder_run, tmp_path):
    out = tmp_path / "out"
    lay_out(folder_run, out)
    first, second, third, *_ = [p for p in files(out) if p.endswith("png")]
    (out / first).write_bytes(b"mine")
    (out / second).unlink()
    (out / "cluster-000" / "notes.txt").write_text("keep")
    action = next(
        a
        for a in json.loads((out / "manifest.json").read_text())["actions"]
        if a["target"] == third
    )
    os.unlink(action["origin"])
    result = undo(out)
    assert (result.done, result.before) == (37, 1)
    assert dict(result.left) == {first: "it was changed", third: "its original is gone"}
    assert files(out) == sorted([first, third, "cluster-000/notes.txt", "manifest.json"])


def test_undo_follows_no_folder_that_became_a_link(image_run, tmp_path):
    out = tmp_path / "out"
    lay_out(image_run, out)
    (out / "cluster-000").rename(tmp_path / "elsewhere")
    (out / "cluster-000").symlink_to(tmp_path / "elsewhere")
    assert {reason for _, reason in undo(out).left} == {"its folder became a link"}
    assert len(files(tmp_path / "elsewhere")) == 10


def test_undo_refuses_a_manifest_that_leads_outside(image_run, tmp_path):
    out = tmp_path / "out"
    lay_out(image_run, out)
    path = out / "manifest.json"
    for target in ("../../victim", "cluster-000/..", "/etc/passwd", "cluster-000/a/../../../x"):
        manifest = json.loads(path.read_text())
        manifest["actions"][0]["target"] = target
        path.write_text(json.dumps(manifest))
        with pytest.raises(InputError, match="damaged"):
            undo(out)


WRONG = {
    "no list": lambda m: [],
    "no mode": lambda m: m.pop("mode"),
    "another mode": lambda m: m.update(mode="move"),
    "no fingerprint": lambda m: m.pop("fingerprint"),
    "no actions": lambda m: m.update(actions=3),
    "an action of other fields": lambda m: m["actions"][0].update(more=1),
    "a target that is not text": lambda m: m["actions"][0].update(target=3),
    "an origin that is not text": lambda m: m["actions"][0].update(origin=3),
    "a fact that is none": lambda m: m["actions"][0].update(made=[1]),
    "a fact of other types": lambda m: m["actions"][0].update(made={"hardlink": 5}),
    "a fact of other names": lambda m: m["actions"][0].update(made={"moved": "/etc"}),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_damaged_manifest_is_named_and_nothing_is_deleted(image_run, tmp_path, wrong):
    out = tmp_path / "out"
    lay_out(image_run, out)
    path, before = out / "manifest.json", files(out)
    manifest = json.loads(path.read_text())
    made = WRONG[wrong](manifest)
    path.write_text(json.dumps(made if made == [] else manifest))
    with pytest.raises(InputError, match=r"manifest\.json is damaged"):
        undo(out)
    assert files(out) == before


def test_links_in_an_export_lead_nowhere(image_run, broken, tmp_path):
    out, other = tmp_path / "out", tmp_path / "other"
    other.mkdir()
    (other / ".0123456789ab.tmp").write_text("precious")
    (other / "log").write_text("precious")
    with pytest.raises(KeyboardInterrupt):
        lay_out(broken(image_run, 17), out)
    before = {path.name: path.read_text() for path in other.iterdir()}
    (out / "cluster-003").symlink_to(other)
    with pytest.raises(InputError, match="cluster-003 is a symbolic link"):
        lay_out(image_run, out)
    (out / "cluster-003").unlink()
    (out / "manifest.journal").unlink()
    (out / "manifest.journal").symlink_to(other / "log")
    for act in (undo, lambda folder: lay_out(image_run, folder)):
        with pytest.raises(InputError, match=r"manifest\.journal is a symbolic link"):
            act(out)
    (out / "manifest.journal").unlink()
    (out / "manifest.json").rename(other / "manifest.json")
    (out / "manifest.json").symlink_to(other / "manifest.json")
    with pytest.raises(InputError, match=r"manifest\.json is (damaged|a symbolic link)"):
        undo(out)
    assert before == {
        path.name: path.read_text() for path in other.iterdir() if path.suffix != ".json"
    }


def test_undo_waits_for_no_pipe_that_a_manifest_names(folder_run, tmp_path):
    out = tmp_path / "out"
    lay_out(folder_run, out)
    path, pipe = out / "manifest.json", tmp_path / "pipe.png"
    os.mkfifo(pipe)
    manifest = json.loads(path.read_text())
    manifest["actions"][0].update(origin=str(pipe), made=None)
    path.write_text(json.dumps(manifest))
    outcome = undo(out)
    assert outcome.done == 39
    [(target, _)] = outcome.left
    assert (out / target).exists()


def test_an_interrupted_export_goes_on_where_it_stopped(image_run, broken, tmp_path):
    out, whole = tmp_path / "out", tmp_path / "whole"
    with pytest.raises(KeyboardInterrupt):
        lay_out(broken(image_run, 17), out)
    assert len(list(out.rglob("*.png"))) == 17
    assert not list(out.rglob("*.tmp"))
    result = lay_out(image_run, out)
    assert (result.done, result.before) == (23, 17)
    lay_out(image_run, whole)
    assert files(out) == files(whole)
    assert (out / "manifest.json").read_bytes() == (whole / "manifest.json").read_bytes()
    assert lay_out(image_run, out).before == 40


def test_a_file_made_but_not_noted_before_a_kill_is_adopted(folder_run, tmp_path):
    out = tmp_path / "out"
    lay_out(folder_run, out)
    manifest = json.loads((out / "manifest.json").read_text())
    lost = manifest["actions"][3]["target"]
    manifest["actions"][3]["made"] = None
    (out / "manifest.json").write_text(json.dumps(manifest))
    (out / "cluster-000" / ".0123456789ab.tmp").write_bytes(b"half")
    assert lay_out(folder_run, out).done == 1
    manifest["actions"][3]["made"] = None
    (out / "manifest.json").write_text(json.dumps(manifest))
    assert undo(out).done == 40
    assert not (out / lost).exists()


def test_an_unfinished_export_can_be_undone(image_run, broken, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        lay_out(broken(image_run, 17), out)
    assert undo(out).done == 17
    assert not out.exists()


def test_nothing_is_overwritten(image_run, broken, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="not empty"):
        lay_out(image_run, out)
    (out / "mine.txt").unlink()
    with pytest.raises(KeyboardInterrupt):
        lay_out(broken(image_run, 3), out)
    stranger = out / "cluster-000" / "row-05.png"
    stranger.write_bytes(b"mine")
    with pytest.raises(InputError, match="in the way"):
        lay_out(image_run, out)
    assert stranger.read_bytes() == b"mine"


def test_a_folder_with_another_export_is_refused(image_run, tmp_path):
    lay_out(image_run, tmp_path / "out")
    with pytest.raises(InputError, match=r"another export \(of 4 clusters, by copy\)"):
        lay_out(image_run, tmp_path / "out", k=2)


def test_an_original_that_is_gone_is_told_and_the_others_are_laid_out(folder_run, tmp_path):
    folder_run.source.path(5).unlink()
    result = lay_out(folder_run, tmp_path / "out")
    assert result.done == 39
    assert [reason for _, reason in result.left] == ["its original is missing"]
    assert undo(tmp_path / "out").done == 39


def test_rows_that_are_no_images_or_no_files_are_refused(vector_run, image_run, tmp_path):
    with pytest.raises(InputError, match="are not images"):
        lay_out(vector_run, tmp_path / "out")
    with pytest.raises(InputError, match="not local files, which a symlink needs"):
        lay_out(image_run, tmp_path / "out", mode="symlink")
    with pytest.raises(InputError, match="must be one of copy, symlink, hardlink; got move"):
        lay_out(image_run, tmp_path / "out", mode="move")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_told(image_run, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFullError, match="cannot be written"):
        lay_out(image_run, tmp_path / "file" / "out")


def test_undo_of_what_is_no_export_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has no manifest\.json"):
        undo(tmp_path)


def test_names_that_collide_get_the_number_of_their_row(folder_run):
    targets = [a.target for a in plan_actions(folder_run, "copy")]
    assert targets[:6] == [
        "cluster-000/Img0.png",
        "cluster-000/Img1.PNG",
        "cluster-000/Img2.png",
        "cluster-000/Img3.PNG",
        "cluster-000/Img4.png",
        "cluster-000/Img0~5.PNG",
    ]


@given(st.text(st.characters(blacklist_characters="/\0"), min_size=1, max_size=300))
def test_safe_names_can_be_written_anywhere(name):
    safe = safe_name(name)
    assert 0 < len(safe.encode()) <= 255
    assert safe[0] not in ".-"
    assert not set(safe) & set('<>:"/\\|?*')
    assert safe_name(safe) == safe


def test_images_of_other_channels_are_laid_out_and_reported_as_people_see_them(tmp_path):
    images = np.full((20, 8, 8, 5), 90, np.uint8)
    images[:10, :4, :, 4] = images[10:, :, :4, 4] = 240
    images[..., 0] += np.arange(20, dtype=np.uint8)[:, None, None]
    run = shoal.fit(images, workers=1)
    lay_out(run, tmp_path / "out")
    made = {path.name: path for path in (tmp_path / "out").glob("*/row-*.png")}
    assert len(made) == 20
    assert np.asarray(Image.open(made["row-00.png"]))[0, 0].tolist() == [90, 165, 90]
    assert "5-channel images of 8×8" in report_html(run)


@pytest.mark.parametrize("name", ["a.png", "b"])
def test_a_taken_name_gets_the_row(name):
    taken = set()
    assert free_name(name, 1, taken) == name
    assert free_name(name.upper(), 7, taken).count("~7") == 1
    assert free_name(name, 7, taken).count("~7-1") == 1
