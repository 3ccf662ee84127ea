import io
import pickle
import tarfile
import zipfile

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from PIL import Image

import shoal
from shoal.errors import InputError, SourceError
from shoal.rows import Taken, memory_budget, open_source, read_label_file, remarks_of

SIDE = 12


def plane(number):
    return np.full((SIDE, SIDE), number, np.uint8)


def tiff(numbers, **options):
    """A TIFF file of plain pages, each with its number in all pixels."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for number in numbers:
            writer.write(plane(number), metadata=None, photometric="minisblack", **options)
    return file.getvalue()


def png(number):
    file = io.BytesIO()
    Image.fromarray(plane(number)).save(file, "PNG")
    return file.getvalue()


FILES = {
    "a.png": png(1),
    "b.tif": tiff([2, 3, 4]),
    "c.tif": tiff([5]),
    "d.TIFF": tiff([6, 7], compression="lzw"),
    "e.png": png(8),
}
NAMES = ["a.png", "b.tif#page=1", "b.tif#page=2", "b.tif#page=3", "c.tif"]
NAMES += ["d.TIFF#page=1", "d.TIFF#page=2", "e.png"]


def folder(root):
    for name, data in FILES.items():
        (root / name).write_bytes(data)
    return root


def tar(root):
    with tarfile.open(root / "x.tar", "w") as archive:
        for name, data in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return root / "x.tar"


def zipped(method):
    def write(root):
        with zipfile.ZipFile(root / "x.zip", "w", method) as archive:
            for name, data in FILES.items():
                archive.writestr(name, data)
        return root / "x.zip"

    return write


def listed(root):
    folder(root)
    (root / "list.txt").write_text("\n".join(FILES))
    return root / "list.txt"


def pattern(root):
    return f"{folder(root)}/*"


def store(root):
    system = fsspec.filesystem("memory")
    for name, data in FILES.items():
        system.pipe(f"/paged-{root.name}/{name}", data)
    return f"memory://paged-{root.name}"


WAYS = [folder, tar, zipped(zipfile.ZIP_STORED), zipped(zipfile.ZIP_DEFLATED), listed, pattern]


@pytest.mark.parametrize("made", [*WAYS, store])
def test_every_page_is_a_row_wherever_the_file_lies(tmp_path, made):
    source = pickle.loads(pickle.dumps(open_source(made(tmp_path))))
    batch = source.read(0, 8)
    assert batch.bad == {}
    assert batch.data[:, 0, 0, 0].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [name.rpartition("/")[2] for name in source.names(0, 8)] == NAMES
    for start in range(8):
        for stop in (start + 1, min(start + 3, 8)):
            part = source.read(start, stop).data[:, 0, 0, 0].tolist()
            assert part == list(range(start + 1, stop + 1))
    assert source.read_original(6)[0, 0, 0] == 7
    assert remarks_of(source)[0].startswith("2 TIFF files have several pages: each of the 5 pages")


def test_a_page_is_given_as_a_file_of_its_own(tmp_path):
    source = open_source(folder(tmp_path))
    alone = source.encoded(2)
    assert tifffile.imread(io.BytesIO(alone)).tolist() == plane(3).tolist()
    assert len(tifffile.TiffFile(io.BytesIO(alone)).pages) == 1
    assert source.encoded(4) == FILES["c.tif"]
    assert [source.path(row) is None for row in range(8)] == [
        *[False],
        *[True] * 3,
        False,
        True,
        True,
        False,
    ]
    assert source.file_name(2, source.names(2, 3)[0]) == "b-page-2.tif"
    assert source.file_name(4, "c.tif") == "c.tif"


def test_pages_can_be_taken_for_channels(tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.tif").write_bytes(tiff([number, 50, 100, 150, 200]))
    assert open_source(tmp_path).n_rows == 20
    source = open_source(tmp_path, pages="channels")
    assert source.description == f"4 5-channel images of 12×12 ({tmp_path.name})"
    assert source.read(2, 3).data[0, 3, 3].tolist() == [2, 50, 100, 150, 200]
    assert source.names(0, 1) == ["0.tif"]
    assert source.path(0) == tmp_path / "0.tif"  # the row is all of the file


@pytest.mark.parametrize(("files", "pages", "rows"), [(6, 5, 6), (5, 5, 25), (20, 17, 340)])
def test_arrays_of_one_shape_in_all_files_are_bands(tmp_path, files, pages, rows):
    stack = np.stack([plane(page) for page in range(pages)])
    for number in range(files):
        tifffile.imwrite(tmp_path / f"{number}.tif", stack, photometric="minisblack")
    source = open_source(tmp_path)
    assert source.n_rows == rows
    said = remarks_of(source)[0]
    assert ("as their shape is the same in all files" in said) == (rows == files)
    assert ("--pages rows" in said) == (rows == files)
    assert open_source(tmp_path, pages="rows").n_rows == files * pages
    tifffile.imwrite(tmp_path / "x.tif", stack[:3], photometric="minisblack")
    assert open_source(tmp_path).n_rows == files * pages + 3  # one of another shape: they are rows


def test_files_of_several_pages_elsewhere_are_refused_by_name(tmp_path):
    file = io.BytesIO()
    pq.write_table(pa.table({"image": [FILES["c.tif"], FILES["b.tif"], png(3)]}), file)
    (tmp_path / "x.parquet").write_bytes(file.getvalue())
    bad = open_source(tmp_path / "x.parquet").read(0, 3).bad
    assert list(bad) == [1]
    assert bad[1].startswith("the file has 3 pages, which become rows only in")


def test_damage_costs_a_row_of_its_own(tmp_path):
    whole = bytearray(tiff([1, 2, 3], compression="lzw"))
    pages = tifffile.TiffFile(io.BytesIO(bytes(whole))).pages
    at = pages[1].dataoffsets[0]
    whole[at : at + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "a.tif").write_bytes(whole)
    (tmp_path / "b.tif").write_bytes(FILES["b.tif"][:-200])
    (tmp_path / "c.tif").write_bytes(b"II*\0\x08\0\0\0")
    (tmp_path / "d.tif").write_bytes(b"none")
    (tmp_path / "e.tif").write_bytes(png(9))
    source = open_source(tmp_path)
    batch = source.read(0, source.n_rows)
    reasons = {source.names(row, row + 1)[0]: why for row, why in batch.bad.items()}
    assert set(reasons) == {"a.tif#page=2", "b.tif", "c.tif", "d.tif"}
    assert "cut off" in reasons["b.tif"]
    assert batch.data[[0, 2, -1], 0, 0, 0].tolist() == [1, 3, 9]


def test_files_that_change_later_are_rows_with_a_reason(tmp_path):
    source = open_source(folder(tmp_path))
    (tmp_path / "b.tif").write_bytes(tiff([9, 9, 9, 9]))
    (tmp_path / "d.TIFF").unlink()
    bad = source.read(0, 8).bad
    assert list(bad) == [1, 2, 3, 5, 6]
    assert bad[1] == "the file changed after it was opened"
    (tmp_path / "b.tif").rename(tmp_path / "other")
    (tmp_path / "b.tif").symlink_to(tmp_path / "other")
    assert source.read(1, 2).bad == {0: "the file became a symbolic link after it was listed"}


def test_a_link_that_leads_elsewhere_costs_all_pages_of_its_file(tmp_path):
    source = open_source(folder(tmp_path)).without_redirected(np.array([2]))
    bad = source.read(0, 8).bad
    assert list(bad) == [1, 2, 3]
    assert "points elsewhere" in bad[3]


def test_pages_take_their_bytes_from_the_room(tmp_path, monkeypatch):
    taken = []
    real = memory_budget.FileBudget.take

    def take_room(self, size, what):
        taken.append(size)
        return real(self, size, what)

    big = np.random.default_rng(0).integers(0, 256, (3, 1100, 1000)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "x.tif", big, metadata=None, photometric="minisblack")
    source = open_source(tmp_path)
    monkeypatch.setattr(memory_budget.FileBudget, "take", take_room)
    source.read(0, 3)
    assert [size for size in taken if size] == [1_100_000] * 3


def test_rows_are_known_again_by_their_files_and_pages(tmp_path):
    source = open_source(folder(tmp_path))
    before, stamps = source.first_facts(5), source.stamps(0, 8)
    assert len(set(stamps.tolist())) == 8
    np.testing.assert_array_equal(source.stamps(2, 4), stamps[2:4])
    assert source.first_facts(3) is None  # within a file
    (tmp_path / "d.TIFF").unlink()
    (tmp_path / "e.png").unlink()
    assert open_source(tmp_path).store.facts() == before
    (tmp_path / "z.tif").write_bytes(tiff([1, 2]))
    assert open_source(tmp_path).first_facts(5) == before


def test_a_label_of_a_file_is_that_of_all_its_pages(tmp_path):
    root = tmp_path / "files"
    root.mkdir()
    source = open_source(folder(root))
    lines = [f"{name},{name[0]}" for name in reversed(FILES)]
    (tmp_path / "truth.csv").write_text("\n".join(["file,kind", *lines]))
    labels = read_label_file(tmp_path / "truth.csv", source)
    assert labels == ["a", "b", "b", "b", "c", "d", "d", "e"]
    lines = [f"{name},{at}" for at, name in enumerate(NAMES)]
    (tmp_path / "truth.csv").write_text("\n".join(["name,kind", *lines]))
    assert read_label_file(tmp_path / "truth.csv", source) == [str(at) for at in range(8)]


def test_labels_in_an_archive_are_those_of_all_pages(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        members = {"a.tif": FILES["b.tif"], "a.cls": b"7", "b.png": png(1), "b.cls": b"8"}
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    assert open_source(tmp_path / "x.tar").labels() == ["7", "7", "7", "8"]


def test_one_new_file_is_read_as_those_of_the_fit(tmp_path):
    random = np.random.default_rng(0)
    stripes = np.broadcast_to(np.where(np.arange(16) // 4 % 2, 220, 30), (16, 16))
    root = tmp_path / "bands"
    root.mkdir()
    for number in range(24):
        bands = random.integers(90, 110, (4, 16, 16)).astype(np.uint8)
        bands[2] = stripes.T if number % 2 else stripes
        tifffile.imwrite(root / f"{number:02}.tif", bands, photometric="minisblack")
    run = shoal.fit(root, tmp_path / "x.shoal", workers=1)
    assert run.n_rows == 24
    found = run.predict(root / "05.tif")  # alone, its shape would not tell
    assert found.cluster.tolist() == [run.labels()[5]]
    assert shoal.open(run.path).source.shape == (16, 16, 4)
    with pytest.raises(InputError, match="--pages rows does not apply to 24"):
        shoal.fit(np.zeros((24, 4)), pages="rows")


def test_some_pages_are_taken_in_any_order(tmp_path):
    source = open_source(folder(tmp_path))
    some = source.take(Taken(np.array([6, 2, 0, 3]), 8))
    assert some.read(0, 4).data[:, 0, 0, 0].tolist() == [7, 3, 1, 4]
    assert some.names(0, 2) == ["d.TIFF#page=2", "b.tif#page=2"]
    assert source.take(Taken(np.arange(8), 8)).first_facts(4) == source.first_facts(4)


def test_a_large_stack_is_read_page_by_page(tmp_path, monkeypatch):
    monkeypatch.setattr("shoal.rows.images.image_table.MAX_FILE_BYTES", 5000)
    monkeypatch.setattr("shoal.rows.images.tiff_pages.MOST_BYTES", 5000)
    (tmp_path / "x.tif").write_bytes(tiff(range(200)))
    source = open_source(tmp_path)
    assert source.read(0, 200).data[:, 0, 0, 0].tolist() == list(range(200))
    monkeypatch.setattr("shoal.rows.images.tiff_pages.MOST_BYTES", 100)
    with pytest.raises(SourceError, match="the page has 144 bytes, more than 100"):
        source.encoded(3)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of 60 pages in 6 files, of stripes in two directions, and what they show."""
    root = tmp_path_factory.mktemp("stacks") / "stacks"
    root.mkdir()
    random = np.random.default_rng(0)
    stripes = np.broadcast_to(np.where(np.arange(16) // 4 % 2, 220, 30), (16, 16))
    truth = []
    for number in range(6):
        with tifffile.TiffWriter(root / f"{number}.tif") as writer:
            for page in range(10):
                truth.append(page % 2)
                pixels = (stripes.T if page % 2 else stripes) + random.integers(0, 20, (16, 16))
                writer.write(pixels.astype(np.uint8), metadata=None, photometric="minisblack")
    return shoal.fit(root, root.parent / "x.shoal", workers=1), np.array(truth)


def test_pages_are_clustered_exported_and_predicted(run, tmp_path):
    from sklearn.metrics import adjusted_rand_score

    fitted, truth = run
    assert adjusted_rand_score(truth, fitted.labels()) == 1
    assert "6 TIFF files have several pages" in fitted.info()["remarks"][0]
    assert fitted.table()["name"][11].as_py() == "1.tif#page=2"
    again = shoal.open(fitted.path)
    assert again.source.names(11, 12) == ["1.tif#page=2"]
    from shoal.export.folders import lay_out

    lay_out(fitted, tmp_path / "out")
    files = sorted((tmp_path / "out").glob("*/*.tif"))
    assert len(files) == 60
    assert {tifffile.imread(file).shape for file in files} == {(16, 16)}
    with pytest.raises(InputError, match="--mode copy"):
        lay_out(fitted, tmp_path / "links", mode="symlink")
    found = fitted.predict(fitted.path.parent / "stacks")
    np.testing.assert_array_equal(found.cluster, fitted.labels())


def test_pages_of_added_files_go_into_the_tree(run, tmp_path):
    import shutil

    fitted, _ = run
    root = tmp_path / "stacks"
    shutil.copytree(fitted.path.parent / "stacks", root)
    first = shoal.fit(root, tmp_path / "a.shoal", workers=1)
    shutil.copy(root / "3.tif", root / "9.tif")
    grown = shoal.fit(root, tmp_path / "b.shoal", workers=1, previous=str(first.path))
    assert grown.n_rows == 70
    np.testing.assert_array_equal(grown.labels()[:60], first.labels())
    np.testing.assert_array_equal(grown.labels()[60:], first.labels()[30:40])


def test_links_are_refused_where_one_row_is_a_page(tmp_path):
    from shoal.export.folders import lay_out

    root = tmp_path / "mixed"
    root.mkdir()
    for number in range(4):
        Image.fromarray(np.eye(12, dtype=np.uint8) * (200 + number)).save(root / f"{number}.png")
    (root / "x.tif").write_bytes(tiff([2, 3]))
    fitted = shoal.fit(root, workers=1)
    with pytest.raises(
        InputError, match=r"x\.tif#page=1 is not a local file, which a hardlink needs"
    ):
        lay_out(fitted, tmp_path / "out", mode="hardlink")
