"""Every kind of source at an address: the same rows, names and labels as on a disk."""

import csv
import gc
import gzip
import pickle
import re
import tarfile
import zipfile
from types import FrameType

import fsspec
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.rows.images.test_tfrecord import png
from tests.rows.images.test_tfrecord import write as write_records
from tests.web import Handler, Unlisted, serving

from shoal.errors import PlaceError, SourceError
from shoal.rows import open_source
from shoal.storage import places, ranges

N = 40
IMAGES = [png(6 * at) for at in range(N)]
PIXELS = np.random.default_rng(0).integers(0, 256, (N, 8, 10), dtype=np.uint8)
VECTORS = np.random.default_rng(1).normal(size=(N, 5)).round(4)


def folder(root):
    for at, data in enumerate(IMAGES):
        path = root / "pictures" / "ab"[at % 2] / f"no {at}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return "pictures"


def archives(root):
    for start in (0, N // 2):
        with tarfile.open(root / f"shard-{start // 20:03}.tar", "w") as archive:
            for at in range(start, start + N // 2):
                (root / "cls").write_text(f"kind {at % 3}")
                (root / "png").write_bytes(IMAGES[at])
                archive.add(root / "png", f"{at:04}.png")
                archive.add(root / "cls", f"{at:04}.cls")
    return "shard-{000..001}.tar"


def zipped(root, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(root / "x.zip", "w", method) as archive:
        for at, data in enumerate(IMAGES):
            archive.writestr(f"d/{at}.png", data)
    return "x.zip"


def parquet_images(root):
    table = pa.table({"name": [f"n{at}" for at in range(N)], "jpg": IMAGES, "label": [1] * N})
    pq.write_table(table, root / "images.parquet", row_group_size=13)
    return "images.parquet"


def parquet_vectors(root):
    table = pa.table({f"x{at}": VECTORS[:, at] for at in range(5)})
    pq.write_table(table, root / "vectors.parquet", row_group_size=13)
    return "vectors.parquet"


def records(root):
    write_records(root / "x.tfrecord")
    return "x.tfrecord"


def hdf5(root, **options):
    with h5py.File(root / "x.h5", "w") as file:
        file.create_dataset("images", data=PIXELS, **options)
    return "x.h5"


def hdf5_chunked(root):
    return hdf5(root, chunks=(7, 8, 10), compression="gzip")


def hdf5_images(root):
    with h5py.File(root / "x.h5", "w") as file:
        cells = file.create_dataset("jpg", N, h5py.vlen_dtype(np.uint8))
        for at, data in enumerate(IMAGES):
            cells[at] = np.frombuffer(data, np.uint8)
        file["label"] = np.arange(N) % 3
    return "x.h5"


def npy(root):
    np.save(root / "x.npy", PIXELS)
    return "x.npy"


def npz(root):
    np.savez(root / "x.npz", images=PIXELS, other=np.arange(3))
    return "x.npz"


def npz_packed(root):
    np.savez_compressed(root / "x.npz", images=PIXELS)
    return "x.npz"


def idx_packed(root):
    head = bytes([0, 0, 8, 3]) + b"".join(int(n).to_bytes(4, "big") for n in PIXELS.shape)
    (root / "images-idx3-ubyte.gz").write_bytes(gzip.compress(head + PIXELS.tobytes()))
    return "images-idx3-ubyte.gz"


def numbers(root):
    with (root / "x.csv").open("w", newline="") as file:
        rows = [[f"no {at}", *row] for at, row in enumerate(VECTORS.tolist())]
        csv.writer(file).writerows([["id", *"abcde"], *rows])
    return "x.csv"


def table(root):
    rows = [[at, ["red", "green", "blue"][at % 3], 10 * at] for at in range(N)]
    with (root / "table.tsv").open("w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([["row", "colour", "price"], *rows])
    return "table.tsv"


def listed(root):
    folder(root)
    names = "\n".join(f"pictures/{'ab'[at % 2]}/no {at}.png" for at in range(0, N, 2))
    (root / "list.txt").write_text(names)
    return "list.txt"


FORMATS = [
    folder, archives, zipped, parquet_images, parquet_vectors, records, hdf5, hdf5_chunked,
    hdf5_images, npy, npz, npz_packed, idx_packed, numbers, table, listed,
]  # fmt: skip


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    monkeypatch.setattr(places, "WAITS", (0.0, 0.0))


@pytest.fixture
def memory(tmp_path):
    store = fsspec.filesystem("memory")
    store.store.clear()

    def put():
        for path in tmp_path.rglob("*"):
            if path.is_file():
                store.pipe_file(f"/x/{path.relative_to(tmp_path).as_posix()}", path.read_bytes())
        return "memory://x"

    yield put
    store.store.clear()


def facts(source):
    """All that people see of a source."""
    source = pickle.loads(pickle.dumps(source))
    labels = source.labels()
    batches = [source.read(a, min(a + 15, source.n_rows)) for a in range(0, source.n_rows, 15)]
    return {
        "kind": source.kind,
        "description": source.description,
        "rows": np.concatenate([batch.data for batch in batches]).tobytes(),
        "bad": [batch.bad for batch in batches],
        "names": source.names(3, 9),
        "labels": None if labels is None else list(labels),
        "again": source.read(7, 9).data.tobytes(),
    }


@pytest.mark.parametrize("make", FORMATS, ids=lambda make: make.__name__)
def test_the_same_in_a_store(tmp_path, memory, make):
    name = make(tmp_path)
    expected = facts(open_source(f"{tmp_path}/{name}"))
    assert expected["rows"]
    assert facts(open_source(f"{memory()}/{name}")) == expected


@pytest.mark.parametrize("make", FORMATS, ids=lambda make: make.__name__)
def test_the_same_on_a_web_server(tmp_path, make):
    name = make(tmp_path)
    expected = facts(open_source(f"{tmp_path}/{name}"))
    with serving(tmp_path) as server:
        assert facts(open_source(f"{server.url}/{name}")) == expected


def test_a_list_of_addresses_on_this_machine(tmp_path, memory):
    folder(tmp_path)
    with serving(tmp_path) as server:
        lines = [f"{memory()}/pictures/a/no 0.png", f"{server.url}/pictures/b/no%201.png"]
        (tmp_path / "list.txt").write_text("\n".join([*lines, "pictures/a/no 2.png", lines[0]]))
        source = open_source(tmp_path / "list.txt")
        assert source.read(0, 4).data[:, 0, 0, 0].tolist() == [0, 6, 12, 0]
        assert source.names(0, 1) == lines[:1]
        archives(tmp_path)
        shards = [f"{memory()}/shard-000.tar", f"{server.url}/shard-001.tar?token=x"]
        (tmp_path / "shards.txt").write_text("\n".join(shards))
        assert open_source(tmp_path / "shards.txt").n_rows == N
        assert open_source(shards).n_rows == N


def test_a_server_without_ranges_gives_images_and_says_so_of_the_rest(tmp_path):
    folder(tmp_path)
    npy(tmp_path)
    with serving(tmp_path, Handler) as server:
        source = open_source(f"{server.url}/pictures")
        assert source.n_rows == N
        assert not source.read(0, N).bad
        with pytest.raises(PlaceError, match=r"x\.npy cannot be read in pieces: its server only"):
            open_source(f"{server.url}/x.npy")


def test_a_folder_that_cannot_be_listed(tmp_path):
    folder(tmp_path)
    with (
        serving(tmp_path, Unlisted) as server,
        pytest.raises(
            PlaceError, match=r"pictures cannot be listed, .* addresses of the files, one per line"
        ),
    ):
        open_source(f"{server.url}/pictures")


@pytest.mark.parametrize("fault", ["drop", "cut", 503, 429])
def test_what_passes_is_tried_again(tmp_path, fault):
    npy(tmp_path)
    with serving(tmp_path) as server:
        failed = set()

        def once(path):
            key = len(server.asked) // 2
            return None if key in failed else failed.add(key) or fault

        server.fault = once
        assert np.array_equal(open_source(f"{server.url}/x.npy").read(0, N).data[..., 0], PIXELS)
        assert failed


@pytest.mark.parametrize(
    ("fault", "said"), [("drop", "cannot be reached"), (500, "reached"), (403, "denies access")]
)
def test_what_stays_wrong_stops_the_work_and_quarantines_nothing(tmp_path, fault, said):
    for make in (archives, npy, parquet_images, hdf5_chunked, numbers, folder, records):
        name = make(tmp_path)
        with serving(tmp_path) as server:
            source = pickle.loads(pickle.dumps(open_source(f"{server.url}/{name}")))
            server.fault = lambda path: fault
            with pytest.raises(PlaceError, match=said):
                source.read(0, 2)


def test_a_store_that_breaks_below_hdf5_leaves_no_frame_that_holds_its_file(tmp_path):
    """HDF5 would call Python to let go of the file after Python's end: exit status 139."""
    name, errors = hdf5_chunked(tmp_path), []
    with serving(tmp_path) as server:
        source = pickle.loads(pickle.dumps(open_source(f"{server.url}/{name}")))  # none read
        server.fault = lambda path: "drop"
        try:
            source.read(0, 2)
        except PlaceError as error:
            errors.append(error)
    assert errors
    # By type(), as isinstance() asks lazy modules that other tests loaded, which warn.
    frames = [one for one in gc.get_objects() if type(one) is FrameType]
    opening = [one for one in frames if one.f_code.co_name == "make_fid"]
    assert not any("fapl" in one.f_locals for one in opening)


def test_a_file_that_changed_or_went_is_a_reason_for_its_rows(tmp_path, memory, monkeypatch):
    monkeypatch.setattr(ranges, "TRUSTED", 0.0)
    for name in (npy(tmp_path), zipped(tmp_path), parquet_vectors(tmp_path)):
        source = open_source(f"{memory()}/{name}")
        fsspec.filesystem("memory").pipe_file(f"/x/{name}", b"other")
        assert "changed after it was opened" in source.read(0, 2).bad[1]
        fsspec.filesystem("memory").rm_file(f"/x/{name}")
        assert re.search("is missing|cannot be read", source.read(0, 2).bad[1])


def test_an_array_by_columns_is_refused(tmp_path, memory):
    np.save(tmp_path / "x.npy", np.asfortranarray(VECTORS))
    with pytest.raises(SourceError, match=r"x\.npy is stored by columns"):
        open_source(f"{memory()}/x.npy")


def test_patterns_and_missing_files(tmp_path, memory):
    archives(tmp_path)
    url = memory()
    assert open_source(f"{url}/shard-*.tar").n_rows == N
    with pytest.raises(SourceError, match=r"memory://x/no-\*\.tar matches nothing"):
        open_source(f"{url}/no-*.tar")
    with pytest.raises(SourceError, match="pattern in a folder name"):
        open_source(f"{url}/*/x.tar")
    with pytest.raises(SourceError, match=r"shard-002\.tar cannot be read"):
        open_source(f"{url}/shard-{{000..002}}.tar")


def test_what_fsspec_does_not_know():
    with pytest.raises(PlaceError, match="nope:// is not a protocol that fsspec knows"):
        open_source("nope://x/y")
