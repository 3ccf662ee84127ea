import io
import time

import numpy as np
import pytest
from PIL import Image, ImageFilter

import shoal
from shoal.explore.explorer import Explorer
from shoal.explore.facets import header, seen
from shoal.explore.prepare import prepare_leaves
from shoal.storage import RunFolder


def good(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()


def written(shade, kind="JPEG", size=(20, 16), taken=None, camera=None):
    exif = Image.Exif()
    if taken:
        exif.get_ifd(0x8769)[36867] = taken
    if camera:
        exif[272] = camera
    buffer = io.BytesIO()
    pixels = np.full((*size[::-1], 3), shade, np.uint8)
    pixels[shade % size[1], shade % size[0] :] += 8  # so that no two are alike to the features
    Image.fromarray(pixels).save(buffer, kind, exif=exif)
    return buffer.getvalue()


def test_a_header_says_format_size_date_and_camera():
    data = written(9, size=(40, 30), taken="2019:05:31 10:00:00", camera="Kodak\0 ")
    assert header(data) == {
        "file size, KB": round(len(data) / 1000, 1),
        "longest side": 40,
        "format": "JPEG",
        "taken": "2019-05",
        "camera": "Kodak",
    }
    assert set(header(written(9, "PNG"))) == {"file size, KB", "longest side", "format"}


def test_a_blurred_picture_is_less_sharp_and_as_bright():
    draw = np.random.default_rng(0)
    sharp = np.repeat(draw.integers(0, 256, (24, 24, 1)), 3, axis=2).astype(np.uint8)
    blurred = np.asarray(Image.fromarray(sharp).filter(ImageFilter.GaussianBlur(2)))
    assert seen(blurred)["sharpness"] < seen(sharp)["sharpness"] / 5
    assert abs(seen(blurred)["brightness, %"] - seen(sharp)["brightness, %"]) < 2
    assert seen(np.full((8, 8, 1), 51, np.uint8)) == {"brightness, %": 20.0, "sharpness": 0.0}


@pytest.mark.parametrize("taken", ["0000:00:00 00:00:00", "soon", " ", "\0\0"])
def test_a_date_that_is_none_is_left_out(taken):
    assert "taken" not in header(written(9, taken=taken))


@pytest.mark.parametrize("data", [b"", b"no image", written(9)[:60]])
def test_what_is_damaged_says_only_its_size(data):
    assert set(header(data)) <= {"file size, KB", "longest side", "format"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Sixty small photos in two folders, dark and bright, of two cameras."""
    folder, draw = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for at in range(60):
        place = folder / "x" / ("dark" if at < 30 else "bright")
        place.mkdir(parents=True, exist_ok=True)
        kind = "JPEG" if at % 3 else "PNG"
        shade = int(draw.integers(5, 60)) + (0 if at < 30 else 180)
        size = (16 + at % 20, 16)
        taken = f"20{10 + at % 4}:01:01 00:00:00"
        camera = ["Kodak", "Leica"][at % 2]
        data = written(shade, kind, size, taken, camera)
        (place / f"{at}.{kind.lower()}").write_bytes(data)
    run = shoal.fit(folder / "x", folder / "x.shoal", workers=1)
    prepare_leaves(RunFolder.open(run.path), run.path)
    return Explorer(run, run.path)


def known(client, query=""):
    found = good(client.get(f"/api/metadata{query}"))
    while found["share"] < 1:
        time.sleep(0.05)
        found = good(client.get(f"/api/metadata{query}"))
    return {column["column"]: column for column in found["columns"]}


def test_images_are_filtered_by_what_they_say_of_themselves(photos, ask):
    client = ask(photos)
    columns = known(client)
    assert list(columns)[-1] == "confidence, %"
    assert {v["value"]: v["rows"] for v in columns["folder"]["values"]} == {
        "dark": 30,
        "bright": 30,
    }
    assert {v["value"]: v["rows"] for v in columns["format"]["values"]} == {"JPEG": 40, "PNG": 20}
    assert {v["value"]: v["rows"] for v in columns["camera"]["values"]} == {
        "Kodak": 30,
        "Leica": 30,
    }
    assert len(columns["taken"]["values"]) == 4
    assert columns["longest side"]["high"] == 35
    assert columns["brightness, %"]["high"] < 100
    where = [{"column": "brightness, %", "from": 50, "to": None}]
    bright = good(client.post("/api/sets", json={"where": where}))
    assert bright["rows"] == 30
    inside = known(client, f"?set={bright['set']}")
    assert {v["value"]: v["here"] for v in inside["folder"]["values"]} == {"dark": 0, "bright": 30}


def test_rows_are_filtered_by_their_confidence_in_the_cut_that_is_shown(explorer, ask):
    client = ask(explorer)
    where = [{"column": "confidence, %", "from": None, "to": 90}]
    for k in ("", 3):
        cut = explorer.cut(k or None)
        confidence = cut.confidence(np.arange(explorer.atlas.n_positions))
        found = good(client.post(f"/api/sets?k={k}", json={"where": where}))
        assert found["rows"] == (np.round(100 * confidence, 1) <= 90).sum()


def test_a_column_that_is_not_there_is_refused(digits, ask):
    where = [{"column": "camera", "in": ["Kodak"]}]
    answer = ask(digits).post("/api/sets", json={"where": where})
    assert answer.status_code == 400
    assert "no column" in answer.json()["error"]["message"]
