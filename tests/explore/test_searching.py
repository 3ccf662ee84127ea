import io

import numpy as np
import pytest
from PIL import Image


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
    found = ask(digits).post("/api/search", content=png(noise)).json()
    assert found["unknown"]


@pytest.mark.parametrize("body", [b"", b"no image", b"\x89PNG\r\n\x1a\nrest", b"\xff\xd8\xff\xe0"])
def test_what_is_no_image_is_refused(digits, ask, body):
    answer = ask(digits).post("/api/search", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["kind"] == "input"


def test_rows_that_are_no_images_are_not_searched_by_one(vectors, ask):
    answer = ask(vectors).post("/api/search", content=b"x")
    assert "no images" in answer.json()["error"]["message"]
