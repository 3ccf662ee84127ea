"""A folder of photos as they are: good ones, odd ones, and files that are none."""

import subprocess
import sys

import numpy as np
import pytest
import simplejpeg
from PIL import Image
from tests.hostile import lay_traps, no_images, odd_images, photo

import shoal

ODD = 500


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """500 good photos and 500 others; gives it, with the good, odd and bad names."""
    root = tmp_path_factory.mktemp("hostile") / "photos"
    root.mkdir()
    names = {"good": set(), "odd": set(), "bad": lay_traps(root)}
    for at in range(500):
        name = f"good-{at:03d}.jpg"
        (root / name).write_bytes(simplejpeg.encode_jpeg(photo(at % 4)))
        names["good"].add(name)
    kinds = [("odd", *item) for item in odd_images().items()]
    kinds += [("bad", *item) for item in no_images().items()]
    large = np.broadcast_to(photo(2, (10_000, 64))[:, :1], (10_000, 10_000, 3))
    large = simplejpeg.encode_jpeg(np.ascontiguousarray(large))
    (root / "100-megapixel.jpg").write_bytes(large)
    Image.new("RGBA", (8000, 6000), (9, 99, 200, 70)).save(root / "48-megapixel.png")
    names["odd"] |= {"100-megapixel.jpg", "48-megapixel.png"}
    while len(names["odd"]) + len(names["bad"]) < ODD:
        at = len(names["odd"]) + len(names["bad"])
        sort, name, data = kinds[at % len(kinds)]
        (root / f"{at:03d}-{name}").write_bytes(data)
        names[sort].add(f"{at:03d}-{name}")
    return root, names


def test_good_photos_are_clustered_and_every_other_file_is_or_has_a_reason(folder, tmp_path):
    root, names = folder
    command = [sys.executable, "-m", "shoal", "fit", root, "-o", tmp_path / "run.shoal"]
    command += ["--features", "gradients", "--memory", "1GiB", "--workers", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        said = process.stderr.read().decode()
    assert process.returncode == 0, said
    assert "Traceback" not in said
    run = shoal.open(tmp_path / "run.shoal")
    reasons = dict(
        zip(*(run.quarantine[name].to_pylist() for name in ("name", "reason")), strict=True)
    )
    assert set(reasons) == names["bad"]
    assert all(reason and "\n" not in reason for reason in reasons.values())
    table = run.table().to_pydict()
    clusters = dict(zip(table["name"], table["cluster"], strict=True))
    assert set(clusters) == names["good"] | names["odd"] | names["bad"]
    assert all(clusters[name] >= 0 for name in names["good"] | names["odd"])
    fine = dict(zip(table["name"], run.labels(k=40).tolist(), strict=True))
    kinds = [{fine[f"good-{at:03d}.jpg"] for at in range(kind, 500, 4)} for kind in range(4)]
    assert len(set.union(*kinds)) == sum(map(len, kinds))  # no two kinds share a cluster


def test_reasons_are_those_of_the_files(folder):
    root, _ = folder
    source = shoal.rows.open_source(root)
    names = source.names(0, source.n_rows)
    reasons = {names[at]: why for at, why in source.read(0, source.n_rows).bad.items()}
    expected = {
        "pipe.jpg": "this is not a file",
        "dangling.png": "the file is missing",
        "itself.png": "symbolic links",
        "-empty.jpg": "the file is empty",
        "-text.jpg": "it begins with 'This is a text, '",
        "-bomb.png": "60,000×60,000 pixels, more than",
        "-heavy.png": "decoding it takes",
        "-bomb.jpg": "65,500×65,500 pixels, more than",
        "-huge.pnm": "is decoded slowly",
        "-flat.png": "no pixels|damaged",
        "-cut.jpeg": "damaged or cut off",
    }
    for ending, why in expected.items():
        found = [reason for name, reason in reasons.items() if name.endswith(ending)]
        assert found, ending
        assert all(any(part in reason for part in why.split("|")) for reason in found), found
