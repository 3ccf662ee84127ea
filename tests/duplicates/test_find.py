"""Copies among images, in one source and across two."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from sklearn.datasets import load_sample_images

from shoal.duplicates import find_duplicates
from shoal.errors import InputError


@pytest.fixture(scope="module")
def pieces():
    """Pieces of two photos that do not overlap, without those of plain sky."""
    photos = [Image.fromarray(photo) for photo in load_sample_images().images]
    found = [
        photo.crop((x, y, x + 90, y + 80))
        for photo in photos
        for y in range(0, 400, 80)
        for x in range(0, 630, 90)
    ]
    return [piece for piece in found if np.asarray(piece).std() > 25][:50]


CHANGES = {
    "saved anew": lambda image: image,
    "half as large": lambda image: image.resize((45, 40)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "cropped": lambda image: image.crop((2, 1, 88, 78)),
}


@pytest.fixture(scope="module")
def folder(pieces, tmp_path_factory):
    """The pieces, changed copies of four, one copied as it is, and a damaged file."""
    root = tmp_path_factory.mktemp("copies")
    for number, piece in enumerate(pieces):
        piece.save(root / f"{number:02}.png")
    for number, (name, change) in enumerate(CHANGES.items()):
        change(pieces[10 * number + 3]).save(root / f"{name}.jpg", quality=70)
    (root / "same.png").write_bytes((root / "07.png").read_bytes())
    (root / "damaged.jpg").write_bytes(b"no picture")
    return root


def test_counts_add_up_and_every_copy_is_found(folder):
    found = find_duplicates(folder)
    facts = found.as_dict()
    assert {name: facts[name] for name in facts if name != "blank"} == {
        "rows": 56, "unreadable": 1, "distinct": 50, "copies": 5, "exact": 1, "near": 4,
        "mirrored": 0, "groups": 5, "threshold": 0.93,
    }  # fmt: skip
    groups = {}
    for line in found.table.to_pylist():
        groups.setdefault(line["group"], {})[line["name"]] = line["kind"]
    assert {"07.png": "kept", "same.png": "exact"} in groups.values()
    for number, name in enumerate(CHANGES):
        assert {f"{10 * number + 3:02}.png": "kept", f"{name}.jpg": "near"} in groups.values()


def test_workers_do_not_matter(folder):
    assert find_duplicates(folder, workers=1).table == find_duplicates(folder, workers=2).table


def test_threshold_one_finds_exact_copies_only(folder):
    assert find_duplicates(folder, threshold=1).as_dict()["copies"] == 1


def test_mirrored_copies_are_found_on_request(pieces):
    rows = [np.asarray(piece) for piece in pieces[:20]]
    rows.append(rows[4][:, ::-1])
    rows = np.stack(rows)
    assert find_duplicates(rows).n_groups == 0
    lines = find_duplicates(rows, mirrored=True).table.to_pylist()
    assert [(line["row"], line["kind"]) for line in lines] == [(4, "kept"), (20, "mirrored")]


def test_leaks_between_two_sources(folder, pieces, tmp_path):
    for number in (5, 23):
        pieces[number].resize((120, 107)).save(tmp_path / f"test-{number}.jpg")
    for number in range(2):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)).resize(
            (60, 60), Image.Resampling.BILINEAR
        ).save(tmp_path / f"new-{number}.png")
    Image.open(tmp_path / "new-0.png").save(tmp_path / "new-0-again.png")
    found = find_duplicates(folder, tmp_path)
    leaks = {line["name"] for line in found.table.to_pylist() if line["source"] == 1}
    assert leaks == {"test-5.jpg", "test-23.jpg"}
    kept = {line["name"] for line in found.table.to_pylist() if line["kind"] == "kept"}
    assert kept == {"05.png", "23.png"}


def test_a_pile_of_placeholders_is_one_group():
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (300, 16, 16, 3), np.uint8)
    rows[100:200] = 255
    rows[200:250] = rows[7]
    found = find_duplicates(rows)
    assert found.as_dict()["copies"] == 99 + 50
    assert np.bincount(found.table["group"].to_numpy()).tolist() == [100, 51]
    assert found.blank == 100


def test_drawings_that_are_only_alike_are_no_copies():
    from sklearn.datasets import load_digits

    rows = (load_digits().images * 15.9).astype(np.uint8)
    found = find_duplicates(rows)
    assert found.threshold > 0.93
    assert found.as_dict()["copies"] < 0.03 * len(rows)


def test_equal_thumbnails_of_unequal_pictures_are_near(tmp_path):
    base = np.kron(np.random.default_rng(0).integers(60, 200, (32, 32, 3)), np.ones((8, 8, 1)))
    other = base.copy()
    other[::2, ::2] += 1
    other[1::2, 1::2] -= 1
    for number, pixels in enumerate((base, base, other)):
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"{number}.png")
    kinds = find_duplicates(tmp_path).table["kind"].to_pylist()
    assert kinds == ["kept", "exact", "near"]


@pytest.mark.parametrize("threshold", [0.2, 1.5, float("nan")])
def test_a_threshold_out_of_range_is_refused(folder, threshold):
    with pytest.raises(InputError, match="from"):
        find_duplicates(folder, threshold=threshold)


def test_vectors_are_refused():
    with pytest.raises(InputError, match="images"):
        find_duplicates(np.random.default_rng(0).normal(size=(50, 7)))


def test_too_little_memory_is_refused_with_what_would_do(folder):
    with pytest.raises(InputError, match="--memory 1GiB"):
        find_duplicates(folder, memory="10MB")


def test_a_picture_that_the_memory_does_not_hold_is_left_out(tmp_path):
    for row in range(4):
        picture = np.random.default_rng(row).integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{row}.png")
    Image.new("RGB", (7500, 7500)).save(tmp_path / "large.png", compress_level=1)  # 268 MiB
    found = find_duplicates(tmp_path, memory="600MiB")
    assert (found.n_rows, found.unreadable) == (5, 1)
    assert find_duplicates(tmp_path, memory="1GiB").unreadable == 0
