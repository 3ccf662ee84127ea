import os
import pickle
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shoal.errors import InputError, SourceError
from shoal.rows import ImageRequest, ImageSource, Source, as_requested, open_source, thumbnails
from shoal.rows.images import listing


def save(path, value, size=(8, 10)):
    """Save an image of one grey value or colour; size is (height, width)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = np.shape(value)
    Image.fromarray(np.full((*size, *channels), value, np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "pictures"
    for number in range(12):
        save(root / ("b" if number % 2 else "a") / f"img{number}.png", number * 20)
    return root


def test_rows_are_in_natural_order_and_decoded(folder):
    source = open_source(folder)
    assert isinstance(source, Source)
    assert isinstance(source, ImageSource)
    evens, odds = range(0, 12, 2), range(1, 12, 2)
    assert source.names(0, 12) == [f"a/img{n}.png" for n in evens] + [f"b/img{n}.png" for n in odds]
    batch = source.read(0, 12)
    assert batch.data.dtype == np.uint8
    assert batch.data.shape == (12, 8, 10, 1)
    assert batch.data[:, 0, 0, 0].tolist() == [20 * n for n in (*evens, *odds)]
    assert batch.bad == {}
    assert (source.kind, source.mixed_sizes, source.n_rows) == ("images", False, 12)
    assert source.description == "12 grey images of 8×10 (pictures)"
    assert source.path(1) == folder / "a" / "img2.png"


def test_ranges_join_to_the_whole_from_many_threads_and_after_pickling(folder):
    source = pickle.loads(pickle.dumps(open_source(str(folder))))
    whole = source.read(0, 12).data
    with ThreadPoolExecutor(4) as threads:
        parts = list(threads.map(lambda at: source.read(at, at + 3).data, (0, 3, 6, 9)))
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert source.read(5, 5).data.shape == (0, 8, 10, 1)
    with pytest.raises(InputError, match=r"rows 5\.\.13 were requested, but there are 12"):
        source.read(5, 13)


def test_hidden_and_other_files_are_left_out(folder):
    for name in (".hidden.png", "notes.txt", "labels.json", ".DS_Store", ".git/x.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("text")
    assert open_source(folder).n_rows == 12


def test_links_to_folders_are_followed_once(folder):
    (folder / "a" / "loop").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    (folder / "again").symlink_to(folder / "b")
    (folder / "one.png").symlink_to(folder / "a" / "img0.png")
    source = open_source(folder)
    assert source.n_rows == 13
    assert "one.png" in source.names(0, 13)


def test_bad_files_are_rows_with_a_reason(folder):
    (folder / "a" / "text.jpg").write_text("this is text")
    (folder / "a" / "zero.png").touch()
    (folder / "a" / "gone.png").symlink_to(folder / "nowhere.png")
    half = (folder / "a" / "img2.png").read_bytes()
    (folder / "b" / "half.png").write_bytes(half[: len(half) // 2])
    source = open_source(folder)
    batch = source.read(0, 16)
    reasons = {source.names(row, row + 1)[0]: why for row, why in batch.bad.items()}
    assert reasons["a/zero.png"] == "the file is empty"
    assert reasons["a/text.jpg"].endswith("it begins with 'this is text'")
    assert reasons["a/gone.png"] == "the file is missing"
    assert "damaged or cut off" in reasons["b/half.png"]
    assert len(reasons) == 4
    assert not batch.data[list(batch.bad)].any()
    with pytest.raises(SourceError, match="damaged or cut off"):
        source.read_original(max(batch.bad))


def test_files_that_change_later_are_rows_with_a_reason(folder):
    source = open_source(folder)
    (folder / "a" / "img0.png").unlink()
    save(folder / "a" / "img2.png", 3, (30, 30))
    assert source.read(0, 3).bad == {
        0: "the file is missing",
        1: "the file changed after it was opened",
    }


def test_a_file_without_permission_is_a_row_with_a_reason(folder, monkeypatch):
    source = open_source(folder)

    def refuse(path, flags):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.open", refuse)
    assert source.read(0, 1).bad == {0: "the file cannot be read: Permission denied"}


def test_files_and_folders_without_permission_are_rows_with_a_reason():
    code = """
import os, sys
from pathlib import Path
from shoal.rows import open_source
if os.geteuid() == 0:  # who may read anything
    os.setegid(65534)
    os.seteuid(65534)
source = open_source(Path(sys.argv[1]))
batch = source.read(0, source.n_rows)
for row, name in enumerate(source.names(0, source.n_rows)):
    print(name, batch.bad.get(row, "good"), sep="|")
"""
    with tempfile.TemporaryDirectory(prefix="shoal-test-") as root:
        os.chmod(root, 0o755)
        for name in ("a.png", "b.png", "c/d.png", "e/f.png"):
            save(Path(root) / name, 7)
        os.chmod(f"{root}/b.png", 0)
        os.chmod(f"{root}/c", 0)
        command = [sys.executable, "-c", code, root]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        os.chmod(f"{root}/c", 0o755)
    denied = "the file cannot be read: Permission denied"
    assert done.stdout.splitlines() == [
        "a.png|good",
        f"b.png|{denied}",
        "e/f.png|good",
        f"c/|{denied}",
    ], done.stderr


def test_mixed_sizes_are_scaled_to_64(tmp_path):
    save(tmp_path / "in" / "a.png", 10, (100, 40))
    save(tmp_path / "in" / "b.png", 20, (30, 50))
    source = open_source(tmp_path / "in")
    assert (source.shape, source.mixed_sizes) == ((64, 64, 1), True)
    assert source.description == "2 grey images of mixed sizes (in)"
    assert source.read(0, 2).data[:, ::63, ::63, 0].tolist() == [[[v, v]] * 2 for v in (10, 20)]
    np.testing.assert_array_equal(source.read(0, 2).data[:, 5, 5, 0], [10, 20])
    assert source.read_original(0).shape == (100, 40, 1)
    assert source.read_original(0, 50).shape == (50, 20, 1)


def test_large_images_of_one_size_are_scaled_and_image_size_is_obeyed(tmp_path):
    for number in range(3):
        save(tmp_path / f"{number}.png", number, (100, 100))
    assert open_source(tmp_path).shape == (64, 64, 1)
    assert open_source(tmp_path, image_size=32).shape == (32, 32, 1)
    native = open_source(tmp_path, image_size=(100, 100))
    assert (native.shape, native.mixed_sizes) == ((100, 100, 1), False)


def test_an_encoder_says_what_it_wants(tmp_path):
    for number in range(3):
        save(tmp_path / f"{number}.png", 10 * number, (20, 40 + number))
    source = open_source(tmp_path)
    assert isinstance(source, ImageSource)
    assert source.typical_size == (20, 41)
    seen = as_requested(source, ImageRequest((30, 20), channels=3, fit="pad", sampling="bicubic"))
    assert (seen.shape, seen.mixed_sizes) == ((30, 20, 3), True)
    assert seen.description.endswith(f"of mixed sizes ({tmp_path.name})")
    pixels = seen.read(0, 3).data
    assert pixels[1, 15, 10].tolist() == [10] * 3
    assert pixels[1, 0, 0].tolist() == [255] * 3
    assert seen.fingerprint() != source.fingerprint()
    assert as_requested(source, None) is source
    with pytest.raises(InputError, match="have no pictures to scale"):
        as_requested(open_source(np.zeros((3, 4))), ImageRequest((8, 8)))


def test_an_odd_size_among_many_does_not_change_the_shape(tmp_path):
    for number in range(40):
        save(tmp_path / f"{number}.png", number, (20, 20))
    save(tmp_path / "z.png", 200, (40, 80))
    source = open_source(tmp_path)
    assert (source.shape, source.mixed_sizes) == ((20, 20, 1), False)
    np.testing.assert_array_equal(source.read(40, 41).data, np.full((1, 20, 20, 1), 200))


def test_colour_is_found_by_looking_at_pixels(tmp_path):
    save(tmp_path / "grey" / "a.png", (7, 7, 7))
    save(tmp_path / "colour" / "a.png", (7, 7, 7))
    save(tmp_path / "colour" / "b.png", (200, 7, 7))
    assert open_source(tmp_path / "grey").shape == (8, 10, 1)
    source = open_source(tmp_path / "colour")
    assert source.shape == (8, 10, 3)
    assert source.read(0, 2).data[:, 0, 0].tolist() == [[7, 7, 7], [200, 7, 7]]


def test_fingerprint_changes_with_names_sizes_and_times(folder):
    before = open_source(folder).fingerprint()
    assert before == open_source(folder).fingerprint()
    assert before["n_rows"] == 12
    os.utime(folder / "a" / "img0.png", ns=(1, 1))
    after = open_source(folder).fingerprint()
    assert after != before
    (folder / "a" / "img0.png").rename(folder / "a" / "img00.png")
    assert open_source(folder).fingerprint() not in (before, after)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.txt", "# two of them\npictures/a/img2.png\n\npictures/b/img1.png\n"),
        ("list.csv", "label,path\nx,pictures/a/img2.png\ny,pictures/b/img1.png\n"),
        ("list.csv", "pictures/a/img2.png,1\npictures/b/img1.png,2\n"),
        ("list.tsv", "image\tlabel\npictures/a/img2.png\tx\npictures/b/img1.png\ty\n"),
        ("list.csv", "\ufeffweird name;n\npictures/a/img2.png;1\npictures/b/img1.png;2\n"),
    ],
)
def test_lists_of_paths_keep_their_order(folder, name, text):
    (folder.parent / name).write_text(text, encoding="utf-8")
    source = open_source(folder.parent / name)
    assert source.names(0, 2) == ["pictures/a/img2.png", "pictures/b/img1.png"]
    assert source.read(0, 2).data[:, 0, 0, 0].tolist() == [40, 20]


@pytest.mark.parametrize("name", ["list.txt", "list.csv"])
def test_a_list_as_powershell_writes_it(folder, name):
    title = "" if name.endswith("txt") else "path\r\n"
    (folder / name).write_bytes(f"{title}b/img1.png\r\na/img0.png\r\n".encode("utf-16"))
    assert open_source(folder / name).names(0, 2) == ["b/img1.png", "a/img0.png"]


def test_missing_files_of_a_list_are_rows_with_a_reason(folder):
    listing = folder / "list.txt"
    listing.write_text(f"a/img0.png\nnone.png\n{folder}/a/img4.png\n")
    batch = open_source(listing).read(0, 3)
    assert batch.bad == {1: "the file is missing"}
    assert batch.data[2, 0, 0, 0] == 80
    listing.write_text("none.png\nnor.png\n")
    with pytest.raises(SourceError, match=r"2 sampled images .*first is none.png: the file"):
        open_source(listing)


def test_paths_in_memory_and_a_single_file(folder):
    paths = [folder / "a" / "img4.png", str(folder / "a" / "img0.png")]
    assert open_source(paths).read(0, 2).data[:, 0, 0, 0].tolist() == [80, 0]
    assert open_source(paths[0]).names(0, 1) == ["img4.png"]


def test_only_the_head_of_other_tables_is_read_for_paths(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" + "1,2\n" * 300)
    read = []
    rows = listing._rows
    monkeypatch.setattr(
        listing, "_rows", lambda path: (read.append(row) or row for row in rows(path))
    )
    assert open_source(path).n_rows == 300
    assert len(read) <= 50


def test_the_content_and_not_the_name_says_the_format(folder):
    (folder / "a" / "img0.png").rename(folder / "a" / "img0.jpg")
    batch = open_source(folder).read(0, 12)
    assert batch.bad == {}


def test_thumbnails_are_square(tmp_path):
    save(tmp_path / "wide.png", (200, 10, 10), (20, 40))
    save(tmp_path / "tall.png", (10, 200, 10), (40, 20))
    (tmp_path / "bad.png").write_text("bad")
    source = open_source(tmp_path)
    assert source.names(0, 3) == ["bad.png", "tall.png", "wide.png"]
    cut = thumbnails(source, [2, 0, 1, 2], 10)
    assert cut.shape == (4, 10, 10, 3)
    np.testing.assert_array_equal(cut[0], np.broadcast_to((200, 10, 10), (10, 10, 3)))
    np.testing.assert_array_equal(cut[1], np.full((10, 10, 3), 128))
    padded = thumbnails(source, [2], 8, keep="all")[0]
    assert (padded[:2] == 255).all()
    assert (padded[2:6] == (200, 10, 10)).all()
    assert (padded[6:] == 255).all()


def test_vectors_have_no_thumbnails():
    with pytest.raises(InputError, match="have no pictures"):
        thumbnails(open_source(np.zeros((3, 4))), [0])
