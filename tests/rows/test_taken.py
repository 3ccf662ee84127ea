import pickle
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import shoal.rows.taken as taken_module
from shoal.rows import Taken, draw_sample, open_source

IMAGES = np.random.default_rng(0).integers(0, 256, (300, 6, 5, 3), np.uint8)
ROWS = [7, 8, 9, 120, 3, 299, 0, 1]


def raw_shards(folder):
    folder.mkdir()
    for number, rows in enumerate(np.split(IMAGES, [100, 130])):
        rows.tofile(folder / f"{number}.bin")
    return open_source(folder, shape=IMAGES.shape[1:])


def npy(folder):
    np.save(folder.with_suffix(".npy"), IMAGES)
    return open_source(folder.with_suffix(".npy"))


def files(folder):
    folder.mkdir()
    for number, image in enumerate(IMAGES):
        Image.fromarray(image).save(folder / f"{number:03d}.png")
    return open_source(folder)


def archive(folder):
    files(folder)
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as found:
        for path in sorted(folder.iterdir()):
            found.write(path, path.name)
    return open_source(folder.with_suffix(".zip"))


def images_in_parquet(folder):
    files(folder)
    blobs = [path.read_bytes() for path in sorted(folder.iterdir())]
    pq.write_table(pa.table({"image": blobs}), folder.with_suffix(".parquet"), row_group_size=40)
    return open_source(folder.with_suffix(".parquet"))


def vectors_in_parquet(folder):
    table = pa.table({f"c{i}": np.arange(300.0) * (i + 1) for i in range(3)})
    pq.write_table(table, folder.with_suffix(".parquet"), row_group_size=70)
    return open_source(folder.with_suffix(".parquet"))


def csv(folder):
    lines = [f"n{i},{i},{i * 2}" for i in range(300)]
    folder.with_suffix(".csv").write_text("\n".join(["name,a,b", *lines]))
    return open_source(folder.with_suffix(".csv"))


def mixed(folder):
    lines = [
        f"n{i},{i},{'red' if i % 3 else 'blue'},{'' if i % 50 == 7 else i * 2}" for i in range(300)
    ]
    folder.with_suffix(".csv").write_text("\n".join(["name,a,colour,b", *lines]))
    return open_source(folder.with_suffix(".csv"))


def memory(folder):
    return open_source(IMAGES)


KINDS = [raw_shards, npy, files, archive, images_in_parquet, vectors_in_parquet, csv, mixed, memory]


@pytest.mark.parametrize("make", KINDS)
def test_taken_rows_are_those_of_the_source_in_any_order_and_range(make, tmp_path):
    source = make(tmp_path / "data")
    part = source.take(Taken(np.array(ROWS), source.n_rows))
    whole = source.read(0, source.n_rows).data
    np.testing.assert_array_equal(part.read(0, len(ROWS)).data, whole[ROWS])
    np.testing.assert_array_equal(part.read(2, 6).data, whole[ROWS[2:6]])
    assert len(part.read(3, 3).data) == 0
    names = source.names(0, source.n_rows)
    called = [str(row) if names is None else names[row] for row in ROWS]
    assert part.names(0, len(ROWS)) == called
    again = pickle.loads(pickle.dumps(part))
    assert again.fingerprint() == part.fingerprint() != source.fingerprint()
    assert (part.kind, part.shape, part.n_rows) == (source.kind, source.shape, len(ROWS))
    assert part.taken.rows.tolist() == ROWS
    assert source.taken is None


def test_pictures_and_labels_are_those_of_the_taken_rows(tmp_path):
    folder = tmp_path / "data"
    source = files(folder)
    part = source.take(Taken(np.array(ROWS), 300))
    assert np.array_equal(part.read_original(3), IMAGES[120])
    assert part.path(3) == folder / "120.png"
    assert part.encoded(4) == (folder / "003.png").read_bytes()
    assert part.labels() is None
    blobs = [path.read_bytes() for path in sorted(folder.iterdir())]
    table = pa.table({"image": blobs, "label": np.arange(300)})
    pq.write_table(table, tmp_path / "labelled.parquet")
    labelled = open_source(tmp_path / "labelled.parquet").take(Taken(np.array(ROWS), 300))
    assert labelled.labels() == list(map(str, ROWS))


def test_a_row_that_is_bad_is_bad_where_it_was_taken_to():
    rows = np.ones((50, 4), np.float32)
    rows[[3, 20]] = np.nan
    part = open_source(rows).take(Taken(np.array([20, 4, 3]), 50))
    assert sorted(part.read(0, 3).bad) == [0, 2]
    assert "position 0 is nan" in part.read(0, 3).bad[2]


@given(st.lists(st.integers(0, 200), max_size=60), st.integers(0, 9), st.integers(1, 40), st.data())
def test_spans_are_the_rows_and_are_no_wider_than_asked(rows, gap, most, data):
    taken = Taken(np.array(rows, np.int64), 201)
    start = data.draw(st.integers(0, len(rows)))
    spans = list(taken.spans(start, len(rows), gap, most))
    assert [at for a, b in spans for at in range(a, b)] == list(range(start, len(rows)))
    for a, b in spans:
        steps = np.diff(rows[a:b])
        assert ((steps > 0) & (steps <= gap + 1)).all()
        assert rows[b - 1] - rows[a] < most


def test_every_row_has_the_same_chance(monkeypatch):
    monkeypatch.setattr(taken_module, "_BLOCKS", 10)
    source = open_source(np.zeros((103, 1500), np.uint8), as_="vectors")
    counts = np.zeros(103)
    for seed in range(3000):
        counts[draw_sample(source, 20, seed).taken.rows] += 1
    chance = counts / 3000
    assert chance[:2].tolist() == [chance[0]] * 2  # rows of one page are drawn together
    deviation = np.sqrt(0.19 * 0.81 / 3000)
    assert abs(chance - 10 / 52).max() < 4.5 * deviation


@pytest.mark.parametrize("make", KINDS)
def test_a_sample_is_the_same_for_the_same_seed_and_has_as_many_rows_as_asked(make, tmp_path):
    source = make(tmp_path / "data")
    one, same, other = (draw_sample(source, 90, seed) for seed in (1, 1, 2))
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()
    rows = one.taken.rows
    assert len(rows) == 90
    assert (np.diff(rows) > 0).all()
    assert "a sample of" in one.description
    assert draw_sample(source, 300, 0) is source


def test_small_rows_are_drawn_in_many_blocks_of_no_more_than_a_page():
    tiles = open_source(np.broadcast_to(np.uint8(0), (1_000_000, 16, 16, 3)))
    rows = draw_sample(tiles, 50_000, 0).taken.rows
    assert len(rows) == 50_000
    assert np.array_equal(rows[::5] % 5, np.zeros(10_000))
    numbers = open_source(np.broadcast_to(np.float32(0), (1_000_000, 2)))
    rows = draw_sample(numbers, 50_000, 0).taken.rows
    assert abs(len(rows) - 50_000) < 13  # a block more or less
    assert (np.diff(rows) > 1).sum() > 3_900
