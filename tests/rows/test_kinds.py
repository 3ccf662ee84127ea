import gzip
import io
import lzma
import pickle
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter

import fsspec
import numpy as np
import pandas as pd
import pytest
from PIL import Image

import shoal
from shoal.errors import SourceError
from shoal.rows import kinds, open_source, remarks_of
from shoal.rows.images.formats import EXTENSIONS, is_image_name
from shoal.rows.kinds import FOREIGN, OPTIONAL, kind_of_file

HEIC = b"\0\0\0\x24ftypheic\0\0\0\0mif1heic" + bytes(500)
LEFT = {".heic": 3, ".svg": 2, "": 1}


@pytest.fixture
def no_extras(monkeypatch):
    monkeypatch.setattr(kinds, "has_module", lambda name: False)


def files():
    """Names and bytes: four images, and six other files."""
    found = {}
    for number in range(4):
        file = io.BytesIO()
        Image.fromarray(np.eye(8, 10, number, np.uint8) * 255).save(file, "PNG")
        found[f"{number}.png"] = file.getvalue()
    for number in range(3):
        found[f"IMG_{number}.HEIC"] = HEIC
    return found | {"a.svg": b"<svg/>", "b.svg": b"<svg/>", "README": b"x"}


def folder(root):
    for name, data in files().items():
        (root / name).write_bytes(data)
    (root / "Thumbs.db").write_bytes(b"x")
    (root / ".hidden").write_bytes(b"x")
    return root


def pattern(root):
    return f"{folder(root)}/*"


def tar(root):
    with tarfile.open(root / "x.tar", "w") as archive:
        for name, data in files().items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return root / "x.tar"


def zipped(root):
    with zipfile.ZipFile(root / "x.zip", "w") as archive:
        for name, data in files().items():
            archive.writestr(name, data)
    return root / "x.zip"


def store(root):
    system = fsspec.filesystem("memory")
    for name, data in files().items():
        system.pipe(f"/{root.name}/{name}", data)
    return f"memory://{root.name}"


def archives(root):
    """A folder of two archives and a note."""
    for name in ("a", "b"):
        (root / name).mkdir()
        tar(root / name).rename(root / f"{name}.tar")
    (root / "notes.md").write_text("x")
    return root


@pytest.mark.usefixtures("no_extras")
@pytest.mark.parametrize("made", [folder, pattern, tar, zipped, store])
def test_every_listing_counts_what_it_leaves_out(tmp_path, made):
    source = open_source(made(tmp_path))
    left = dict(source.left_out)
    left.pop(".db", 0)  # a pattern has it, as it was asked for
    assert (source.n_rows, left) == (4, LEFT)
    assert "3 .heic, 2 .svg" in source.description
    assert source.description.endswith("left out)")
    assert remarks_of(source)[:2] == [
        "3 .heic left out: install what reads them: pip install 'shoal[heif]'.",
        "2 .svg left out: render it as PNG, for example by rsvg-convert or inkscape.",
    ]


@pytest.mark.usefixtures("no_extras")
def test_what_lies_beside_archives_and_in_them_is_counted(tmp_path):
    source = open_source(archives(tmp_path))
    assert source.n_rows == 8
    assert source.left_out == {".heic": 6, ".svg": 4, "": 2, ".md": 1}


@pytest.mark.usefixtures("no_extras")
@pytest.mark.parametrize(("name", "kind"), [("x.npy", "array"), ("x.parquet", "table")])
def test_arrays_and_tables_say_what_lies_beside_them(tmp_path, name, kind):
    if kind == "array":
        np.save(tmp_path / name, np.zeros((5, 4)))
    else:
        import pyarrow as pa
        import pyarrow.parquet

        pa.parquet.write_table(
            pa.table({"a": [1.0, 2, 3], "b": ["x", "y", "x"], "c": [0.5, 0.1, 0.7]}),
            tmp_path / name,
        )
    for other in ("notes.txt", "a.heic", "b.heic"):
        (tmp_path / other).write_bytes(HEIC)
    source = open_source(tmp_path)
    assert source.left_out == {".txt": 1, ".heic": 2}
    assert "2 .heic and 1 .txt left out" in source.description


@pytest.mark.usefixtures("no_extras")
def test_a_list_keeps_what_it_names_as_rows_with_the_way_to_read_them(tmp_path):
    folder(tmp_path)
    names = [name for name in files() if name.endswith((".png", ".HEIC"))]
    (tmp_path / "list.txt").write_text("\n".join(names))
    source = open_source(tmp_path / "list.txt")
    bad = source.read(0, source.n_rows).bad
    assert source.n_rows == 7
    assert list(bad) == [4, 5, 6]
    assert (
        "a HEIC picture, which is not read: install what reads them: pip install 'shoal[heif]'"
        in bad[4]
    )


def test_kinds_of_images_are_told_where_there_are_several(tmp_path):
    Image.new("L", (5, 6)).save(tmp_path / "a.png")
    Image.new("L", (5, 6)).save(tmp_path / "b.jpg")
    Image.new("L", (5, 6)).save(tmp_path / "c.jpg")
    assert f"({tmp_path.name}: 2 .jpg and 1 .png)" in open_source(tmp_path).description


@pytest.mark.usefixtures("no_extras")
def test_a_run_says_what_was_left_out(tmp_path):
    root = tmp_path / "pictures"
    root.mkdir()
    folder(root)
    run = shoal.fit(root, tmp_path / "x.shoal", workers=1)
    assert run.info()["left out"] == LEFT
    assert shoal.open(run.path).info()["left out"] == LEFT
    assert run.info()["remarks"][0].startswith("3 .heic left out: install")
    from shoal.export.report import report_html

    assert "3 .heic, 2 .svg and 1 without extension left out" in report_html(run)


@pytest.mark.usefixtures("no_extras")
@pytest.mark.parametrize("name", ["a.heic", "photo", "a.jxl"])
def test_a_lone_picture_names_its_extra(tmp_path, name):
    (tmp_path / name).write_bytes(b"\xff\x0a" + bytes(20) if name == "a.jxl" else HEIC)
    with pytest.raises(SourceError, match=r"is a .* picture.* pip install 'shoal\[(heif|jxl)\]'"):
        open_source(tmp_path / name)


def test_raw_numbers_may_begin_as_anything_does(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"SIMPLE  =" + bytes(55))
    assert open_source(tmp_path / "x.bin", shape=(4, 4)).n_rows == 4


def test_no_extension_is_of_two_kinds():
    counts = Counter(end for kind in (*OPTIONAL, *FOREIGN) for end in kind.extensions)
    assert {end for end, count in counts.items() if count > 1} == set()
    assert not EXTENSIONS.intersection(counts)


def test_extensions_count_in_any_case_where_the_extra_is_there(monkeypatch):
    assert is_image_name("A.Dng")
    assert not is_image_name("a.svg")
    for there in (True, False):
        monkeypatch.setattr(kinds, "has_module", lambda name, there=there: there)
        assert is_image_name("A.HEIC") == there
        assert kind_of_file("A.HEIC").is_installed == there


IMAGES = np.random.default_rng(0).integers(0, 256, (6, 3, 32, 32), np.uint8)
FRAME = pd.DataFrame({"a": IMAGES.ravel()[:30], "b": ["x", "y"] * 15})
CIFAR = {"batch_label": "x", "labels": [0, 1, 2, 3, 4, 5], "data": IMAGES.reshape(6, -1)}
CIFAR_100 = {"fine_labels": [7] * 6, "coarse_labels": [1] * 6, "data": IMAGES.reshape(6, -1)}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", ["data_batch_1", "x.pkl", "x.dat"])
def test_a_pickle_is_never_opened(tmp_path, protocol, name):
    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    for content in (CIFAR, [Harm()], np.zeros(3), {"harm": Harm()}):
        (tmp_path / name).write_bytes(pickle.dumps(content, protocol))
        with pytest.raises(SourceError, match="is a pickle: opening one runs the code in it"):
            open_source(tmp_path / name)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("content", "name", "converted", "key", "n_rows"),
    [
        (CIFAR, "data_batch_1", "data_batch_1.npz", "images", 6),
        (CIFAR_100, "train", "train.npz", "images", 6),
        (IMAGES, "x.pickle", "x.npy", None, 6),
        ({"a": IMAGES[:4], "names": ["x"]}, "x.pkl", "x.npz", "a", 4),
        (
            pd.DataFrame({"a": IMAGES.ravel()[:30], "b": ["x", "y"] * 15}),
            "f.pkl",
            "f.parquet",
            None,
            30,
        ),
    ],
)
def test_the_conversion_that_is_said_works(tmp_path, content, name, converted, key, n_rows):
    (tmp_path / name).write_bytes(pickle.dumps(content, 2))
    with pytest.raises(SourceError) as caught:
        open_source(tmp_path / name)
    code = str(caught.value).partition('python -c "')[2].removesuffix('"')
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    source = open_source(tmp_path / converted, key=key)
    assert source.n_rows == n_rows
    if key == "images":
        assert np.array_equal(source.read(0, 6).data, IMAGES.transpose(0, 2, 3, 1))
        assert source.label_origin == f"{converted}, labels"


@pytest.mark.parametrize(
    ("name", "pack"), [("mnist.pkl.gz", gzip.compress), ("mnist.pkl", bytes), ("a.pkl.xz", None)]
)
def test_pickles_that_are_packed(tmp_path, name, pack):
    images = np.random.default_rng(0).random((6, 784), np.float32)
    content = [(images[:2], np.arange(2)), (images[2:3], [2]), (images[3:], [3, 4, 5])]
    if pack is None:
        content, pack = images, lzma.compress
    (tmp_path / name).write_bytes(pack(pickle.dumps(content, 2)))
    with pytest.raises(SourceError, match="is a pickle") as caught:
        open_source(tmp_path / name)
    code = str(caught.value).partition('python -c "')[2].removesuffix('"')
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    converted = tmp_path / ("a.npy" if name.startswith("a") else "mnist.npz")
    source = open_source(converted, as_="vectors")
    assert source.read(0, 6).data == pytest.approx(images)


def test_a_name_is_no_command_for_the_shell(tmp_path):
    for name in ("$(touch harm).pkl", "`touch harm`.pkl", "a';b.pkl"):
        (tmp_path / name).write_bytes(pickle.dumps([1], 2))
        with pytest.raises(SourceError) as caught:
            open_source(tmp_path / name)
        code = str(caught.value).partition("python -c")[2]
        assert "FILE" in code
        assert "harm" not in code


def test_raw_numbers_that_begin_like_one_are_read_by_their_shape(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"\x80\x03" + bytes(62))
    assert open_source(tmp_path / "x.bin", shape=(4, 4)).n_rows == 4
