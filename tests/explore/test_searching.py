import io

import numpy as np
import pytest
from PIL import Image
from tests.explore.worded import Colours, coloured_images, open_colours

import shoal
from shoal.explore.explorer import Explorer
from shoal.explore.prepare import prepare_leaves
from shoal.features import choose
from shoal.storage import RunFolder


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_an_image_of_the_run_finds_itself_first(digits, ask):
    client = ask(digits)
    labels = digits.run.labels()
    for row in (3, 77, 500):
        pixels = digits.run.source.read(row, row + 1).data[0, ..., 0]
        found = client.post("/api/search", content=png(pixels)).json()
        assert found["rows"][0]["row"] == row
        assert found["rows"][0]["distance"] == pytest.approx(0, abs=1e-3)
        assert found["cluster"] == labels[row]
        assert not found["unknown"]
        away = [r["distance"] for r in found["rows"]]
        assert away == sorted(away)


def test_the_nearest_are_those_of_a_slow_search(digits, ask):
    draw = np.random.default_rng(0)
    pixels = digits.run.source.read(9, 10).data[0, ..., 0].astype(int)
    noisy = (pixels + draw.integers(-30, 30, pixels.shape)).clip(0, 255).astype(np.uint8)
    found = ask(digits).post("/api/search", content=png(noisy)).json()
    model = digits.run.model
    vectors = digits.run.representatives.vectors
    features = model.encoder.encode(noisy[None, ..., None])
    away = np.linalg.norm(vectors - model.fitted.projection.apply(features), axis=1)
    nearest = digits.run.representatives.rows[np.argsort(away)[:5]]
    assert [r["row"] for r in found["rows"][:5]] == nearest.tolist()


def test_what_is_unlike_all_is_called_so(digits, ask):
    draw = np.random.default_rng(0)
    noise = draw.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    client = ask(digits)
    found = client.post("/api/search", content=png(noise)).json()
    assert found["unknown"]
    assert found["likeness"] < 0.01
    pixels = digits.run.source.read(3, 4).data[0, ..., 0]
    assert client.post("/api/search", content=png(pixels)).json()["likeness"] > 0.1


@pytest.mark.parametrize("body", [b"", b"no image", b"\x89PNG\r\n\x1a\nrest", b"\xff\xd8\xff\xe0"])
def test_what_is_no_image_is_refused(digits, ask, body):
    answer = ask(digits).post("/api/search", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["kind"] == "input"


def test_rows_that_are_no_images_are_not_searched_by_one(vectors, ask):
    answer = ask(vectors).post("/api/search", content=b"x")
    assert "cannot be searched by an image" in answer.json()["error"]["message"]


@pytest.fixture(params=[None, 40], ids=["every row", "40 representatives"])
def coloured(request, monkeypatch, tmp_path):
    """300 images in all colours, by an encoder that knows words."""
    monkeypatch.setattr(choose, "open_network", open_colours)
    np.save(tmp_path / "x.npy", coloured_images())
    out, how = tmp_path / "x.shoal", {"workers": 1, "representatives": request.param}
    shoal.fit(tmp_path / "x.npy", out, features="open_clip:tiny", **how)
    prepare_leaves(RunFolder.open(out), out)
    return Explorer(shoal.open(out), out)


def test_words_find_the_images_that_fit_them_best(coloured, ask):
    client = ask(coloured)
    assert client.get("/api/run").json()["words"]
    encoder, images = Colours(), coloured.run.source.read(0, 300).data
    rows = encoder.encode(images)
    for text in ("red", "green", "violet"):
        found = client.post("/api/words", json={"words": f" {text} "}).json()["rows"]
        fits = (rows - rows.mean(axis=0)) @ encoder.encode_words([text])[0]
        best = np.argsort(-fits)[:10]
        assert [r["row"] for r in found[:10]] == best.tolist()
        assert [r["fit"] for r in found[:10]] == pytest.approx(fits[best].tolist(), abs=2e-4)
        assert {r["cluster"] for r in found} <= set(coloured.curation.sizes())


@pytest.mark.parametrize("body", [{}, {"words": ""}, {"words": 3}, {"words": "x" * 301}])
def test_what_is_no_text_is_refused(digits, ask, body):
    answer = ask(digits).post("/api/words", json=body)
    assert answer.status_code == 400
    assert "give a text of at most 300 characters" in answer.json()["error"]["message"]


def test_words_that_the_encoder_cannot_read_are_said(coloured, ask):
    answer = ask(coloured).post("/api/words", json={"words": "chartreuse"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "the words are not known"


def test_other_features_know_no_words(digits, vectors, ask):
    for explorer in (digits, vectors):
        client = ask(explorer)
        assert not client.get("/api/run").json()["words"]
        answer = client.post("/api/words", json={"words": "a cat"})
        assert answer.status_code == 400
        assert "--features open_clip:NAME" in answer.json()["error"]["message"]
