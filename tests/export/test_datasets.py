import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from shoal.errors import InputError
from shoal.export import lay_out, undo
from shoal.export.datasets import DATASETS


@pytest.fixture
def named_run(folder_run):
    folder_run.cluster_names[1] = 'a "b" & <c>'
    return folder_run


def laid_out(run, folder, form):
    return lay_out(run, folder, describe=DATASETS[form])


def test_coco_has_a_category_a_cluster_and_a_box_as_large_as_the_image(named_run, tmp_path):
    laid_out(named_run, tmp_path / "out", "coco")
    found = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert [c["name"] for c in found["categories"]] == [
        "cluster-000",
        'a "b" & <c>',
        "cluster-002",
        "cluster-003",
    ]
    assert len(found["images"]) == len(found["annotations"]) == 40
    assert min(box["id"] for box in found["annotations"]) == 1
    labels = named_run.labels()
    for image, box in zip(found["images"], found["annotations"], strict=True):
        with Image.open(tmp_path / "out" / image["file_name"]) as opened:
            assert [0, 0, *opened.size] == box["bbox"]
        assert (box["image_id"], box["category_id"]) == (image["id"], labels[image["id"]])


def test_an_image_that_pillow_cannot_open_has_its_size_all_the_same(
    folder_run, tmp_path, monkeypatch
):
    rows, opened = [], Image.open

    def fail(path):
        if not rows:  # the header; what is decoded then is
            rows.append(path)
            raise Image.DecompressionBombError("too large")
        return opened(path)

    monkeypatch.setattr(Image, "open", fail)
    laid_out(folder_run, tmp_path / "out", "coco")
    found = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert len(rows) == 1
    assert {(image["width"], image["height"]) for image in found["images"]} == {(10, 10)}


def test_hugging_face_metadata_has_a_line_an_image(named_run, tmp_path):
    laid_out(named_run, tmp_path / "out", "huggingface")
    lines = (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert len(found) == 40
    assert all((tmp_path / "out" / line["file_name"]).is_file() for line in found)
    assert {line["cluster_name"] for line in found if line["cluster"] == 1} == {'a "b" & <c>'}
    assert found[3]["name"] == named_run.source.names(3, 4)[0]


def test_label_studio_tasks_go_with_their_interface(named_run, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    laid_out(named_run, Path(), "label-studio")
    tasks = json.loads((tmp_path / "out" / "tasks.json").read_text())
    view = ElementTree.parse(tmp_path / "out" / "interface.xml").getroot()
    choices = {choice.get("value") for choice in view.iter("Choice")}
    for task in tasks:
        (prediction,) = task["predictions"]
        (result,) = prediction["result"]
        assert view.find("Choices").get("name") == result["from_name"]
        assert view.find("Choices").get("toName") == result["to_name"]
        assert set(result["value"]["choices"]) <= choices
    assert tasks[0]["data"]["image"] == "/data/local-files/?d=out/cluster-000/Img0.png"


def test_fiftyone_finds_every_image_by_a_key_of_its_own(named_run, tmp_path):
    laid_out(named_run, tmp_path / "out", "fiftyone")
    labels = json.loads((tmp_path / "out" / "labels.json").read_text())["labels"]
    places = json.loads((tmp_path / "out" / "data.json").read_text())
    assert labels.keys() == places.keys()
    assert len(labels) == 40
    assert all((tmp_path / "out" / place).is_file() for place in places.values())
    assert labels["row-15"]["label"] == 'a "b" & <c>'


@pytest.mark.parametrize("form", DATASETS)
@pytest.mark.parametrize("kind", ["image_run", "folder_run"])
def test_undo_after_a_second_call_removes_all_of_it(form, kind, request, tmp_path):
    run = request.getfixturevalue(kind)
    laid_out(run, tmp_path / "out", form)
    assert laid_out(run, tmp_path / "out", form).before == 40
    assert undo(tmp_path / "out").left == ()
    assert not (tmp_path / "out").exists()


def test_a_file_that_somebody_changed_stays(image_run, tmp_path):
    laid_out(image_run, tmp_path / "out", "coco")
    mine = tmp_path / "out" / "annotations.json"
    mine.write_text("{}")
    assert ("annotations.json", "it was changed") in laid_out(
        image_run, tmp_path / "out", "coco"
    ).left
    assert ("annotations.json", "it was changed") in undo(tmp_path / "out").left
    assert mine.read_text() == "{}"


def test_a_manifest_that_names_a_file_elsewhere_is_refused(image_run, tmp_path):
    laid_out(image_run, tmp_path / "out", "coco")
    manifest = tmp_path / "out" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"annotations.json"', '"../mine.json"'))
    with pytest.raises(InputError, match="is damaged"):
        undo(tmp_path / "out")


def test_vectors_have_nothing_to_lay_out(vector_run, tmp_path):
    with pytest.raises(InputError, match="are not images"):
        laid_out(vector_run, tmp_path / "out", "coco")
