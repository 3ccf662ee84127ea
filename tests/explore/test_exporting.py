import io
import json
import zipfile

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from PIL import Image

from shoal.explore import exporting


def kept(answer, ending):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].endswith(f'{ending}"')
    return io.BytesIO(answer.content)


def test_a_table_has_every_row_of_the_set_as_edited(explorer, ask, monkeypatch):
    monkeypatch.setattr(exporting, "_AT_ONCE", 70)
    client, run = ask(explorer), explorer.run
    explorer.curation.rename(1, 'Na"me, <b>')
    explorer.curation.move(explorer.curation.rows_of(0)[:4], to=1)
    labels = run.edits.labels()
    whole = pyarrow.csv.read_csv(kept(client.get("/api/export?as=csv"), ".csv")).to_pydict()
    assert sorted(whole["row"]) == np.flatnonzero(labels >= 0).tolist()
    assert whole["cluster"] == labels[whole["row"]].tolist()
    assert sum(whole["moved"]) == 4
    names = dict(zip(whole["cluster"], whole["cluster_name"], strict=True))
    assert names[1] == 'Na"me, <b>'
    chosen = client.post("/api/sets", json={"clusters": [1]}).json()["set"]
    found = client.get(f"/api/export?as=parquet&set={chosen}")
    table = pyarrow.parquet.read_table(kept(found, ".parquet")).to_pydict()
    assert sorted(table["row"]) == np.flatnonzero(labels == 1).tolist()
    assert table["outlier"] == run.outliers[table["row"]].tolist()


def test_a_table_for_spreadsheets_has_no_formulas(vectors, ask):
    client = ask(vectors)
    vectors.curation.rename(1, "=1+1")
    for form, name in (("csv", "=1+1"), ("spreadsheet", "'=1+1")):
        table = pyarrow.csv.read_csv(kept(client.get(f"/api/export?as={form}"), ".csv"))
        assert set(table["cluster_name"].to_pylist()) == {"", name}


@pytest.mark.parametrize(
    ("form", "name"), [("coco", "annotations.json"), ("huggingface", "metadata.jsonl")]
)
def test_images_come_with_the_file_that_another_program_reads(digits, ask, form, name):
    client = ask(digits)
    digits.curation.rename(0, "zero")
    chosen = client.post("/api/sets", json={"rows": list(range(40))}).json()["set"]
    file = zipfile.ZipFile(kept(client.get(f"/api/export?as={form}&set={chosen}"), ".zip"))
    images = {image for image in file.namelist() if "/" in image}
    assert len(images) == 40
    text = file.read(name).decode()
    if form == "coco":
        found = json.loads(text)
        assert {image["file_name"] for image in found["images"]} == images
        assert found["categories"][0] == {"id": 0, "name": "zero", "supercategory": "cluster"}
        assert found["annotations"][0]["bbox"] == [0, 0, 8, 8]
    else:
        assert {json.loads(line)["file_name"] for line in text.splitlines()} == images


def test_images_come_in_a_folder_for_each_cluster(digits, ask):
    client = ask(digits)
    digits.curation.rename(0, "a/../b")
    chosen = client.post("/api/sets", json={"rows": list(range(40))}).json()["set"]
    file = zipfile.ZipFile(kept(client.get(f"/api/export?as=folders&set={chosen}"), ".zip"))
    labels = digits.run.edits.labels()
    assert len(file.namelist()) == 40
    for name in file.namelist():
        folder, image = name.split("/")
        assert ".." not in folder.split("-")
        row = int(image.removesuffix(".png"))
        assert folder.startswith(f"cluster-{labels[row]:03d}")
        pixels = np.asarray(Image.open(io.BytesIO(file.read(name))))
        assert np.array_equal(pixels, digits.run.source.read(row, row + 1).data[0, ..., 0])


def test_a_contact_sheet_is_one_picture(digits, ask):
    client = ask(digits)
    chosen = client.post("/api/sets", json={"clusters": [2]}).json()["set"]
    answer = client.get(f"/api/export?as=sheet&set={chosen}&order=typical")
    sheet = np.asarray(Image.open(kept(answer, ".png")))
    assert min(sheet.shape[:2]) > 300
    assert (sheet[0] == 255).all()


def test_what_cannot_be_exported_is_said(vectors, digits, ask, monkeypatch):
    said = ask(vectors).get("/api/export?as=folders")
    assert (said.status_code, "not images" in said.text) == (400, True)
    assert ask(digits).get("/api/export?as=exe").status_code == 400
    monkeypatch.setattr(exporting, "MOST_FILES", 10)
    said = ask(digits).get("/api/export?as=folders")
    assert "600 images are too many" in said.json()["error"]["message"]
