import gzip
import io
import pickle
from contextlib import closing

import numpy as np
import pytest
from PIL import Image
from tfrecord.writer import TFRecordWriter

from shoal.errors import InputError, SourceError
from shoal.rows import EncodedSource, Source, memory_budget, open_source, thumbnails
from shoal.rows.images import image_table, tfrecord
from shoal.rows.memory_budget import FileBudget, MemoryBudget


def png(value):
    file = io.BytesIO()
    Image.fromarray(np.full((8, 10), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


IMAGES = [png(10 * at) for at in range(20)]


def write(path, rows=range(20), **more):
    """Write records with another library."""
    writer = TFRecordWriter(str(path))
    for at in rows:
        record = {
            "image/encoded": (IMAGES[at], "byte"),
            "image/class/label": (at % 3, "int"),
            "image/filename": (b"d/%d.png" % at, "byte"),
            "score": (0.5, "float"),
        }
        writer.write({name: value for name, value in (record | more).items() if value})
    writer.close()
    return path


def test_rows_are_records_in_their_order(tmp_path):
    source = open_source(write(tmp_path / "x.tfrecord"))
    for protocol in (Source, EncodedSource):
        assert isinstance(source, protocol)
    source = pickle.loads(pickle.dumps(source))
    assert source.names(0, 3) == ["d/0.png", "d/1.png", "d/2.png"]
    batch = source.read(0, 20)
    assert batch.bad == {}
    assert batch.data[:, 0, 0, 0].tolist() == [10 * at for at in range(20)]
    assert source.labels() == [str(at % 3) for at in range(20)]
    assert source.encoded(7) == IMAGES[7]
    assert thumbnails(source, [3, 1], 4)[:, 0, 0, 0].tolist() == [30, 10]
    expected = "20 grey images of 8×10 (x.tfrecord, feature image/encoded)"
    assert source.description == expected


def test_many_files_told_by_their_names_or_content(tmp_path):
    without = {"image/filename": None, "image/class/label": None}
    write(tmp_path / "t.tfrecord-00000-of-00002", range(12), **without)
    write(tmp_path / "t.tfrecord-00001-of-00002", range(12, 20), **without)
    source = open_source(tmp_path)
    assert source.read(10, 14).data[:, 0, 0, 0].tolist() == [100, 110, 120, 130]
    name = "t.tfrecord-0000"
    assert source.names(11, 13) == [f"{name}0-of-00002:11", f"{name}1-of-00002:0"]
    assert source.labels() is None
    (tmp_path / "t.tfrecord-00001-of-00002").rename(tmp_path / "plain")
    assert open_source(tmp_path / "plain").n_rows == 8


def test_damage_costs_a_record_and_a_broken_chain_the_rest(tmp_path):
    path = write(tmp_path / "x.tfrecord")
    data = bytearray(path.read_bytes())
    source = open_source(path)
    offset = int(source.store.places[4, 0])
    data[offset + 30] ^= 1
    path.write_bytes(data)
    source = open_source(path)
    assert source.read(0, 20).bad == {4: "the record is damaged: its checksum is wrong"}
    data[offset - 5] ^= 1  # of the length
    path.write_bytes(data)
    source = open_source(path)
    (reason,) = source.read(0, source.n_rows).bad.items()
    assert reason == (
        4,
        f"the file is damaged from byte {offset - 12:,} on: the rest cannot be found",
    )


@pytest.mark.parametrize("cut", [3, 40])
def test_a_file_cut_off_gives_what_it_has(tmp_path, cut):
    path = write(tmp_path / "x.tfrecord")
    offset = int(open_source(path).store.places[10, 0])
    path.write_bytes(path.read_bytes()[: offset - 12 + cut])
    source = open_source(path)
    assert source.n_rows == 11
    assert "the file is cut off" in source.read(0, 11).bad[10]


def test_the_feature_is_found_or_asked_for(tmp_path):
    path = write(tmp_path / "x.tfrecord", mask=(IMAGES[3], "byte"))
    assert open_source(path).description.endswith("feature image/encoded)")
    assert open_source(path, key="mask").read(0, 1).data[0, 0, 0, 0] == 30
    with pytest.raises(InputError, match="no feature nope: it has image/class/label, image/enc"):
        open_source(path, key="nope")
    more = {"image/encoded": None, "left": (IMAGES[1], "byte"), "right": (IMAGES[2], "byte")}
    with pytest.raises(InputError, match="2 features that hold images: give --key left or"):
        open_source(write(path, **more))
    with pytest.raises(InputError, match="no feature that holds images"):
        open_source(write(path, **{"image/encoded": None}))


def test_records_without_the_feature_have_a_reason(tmp_path):
    path = write(tmp_path / "x.tfrecord", range(3))
    other = write(tmp_path / "y", range(1), **{"image/encoded": None})
    path.write_bytes(path.read_bytes() + other.read_bytes())
    assert open_source(path).read(0, 4).bad == {
        3: "the record has no feature image/encoded of bytes"
    }


def test_compressed_empty_and_changed_files(tmp_path):
    path = write(tmp_path / "x.tfrecord")
    source = open_source(path)
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert source.read(0, 1).bad == {0: "x.tfrecord changed after it was opened"}
    with pytest.raises(SourceError, match="or a compressed one: write it without compression"):
        open_source(path)
    path.write_bytes(b"")
    with pytest.raises(SourceError, match="is empty"):
        open_source(path)


def test_a_record_that_there_is_no_room_for_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "a.tfrecord"
    with closing(TFRecordWriter(str(path))) as writer:
        for row in range(4):
            image = png(row) + b"\0" * (3_000_000 if row == 2 else 0)
            writer.write({"image": (image, "byte"), "label": (row, "int")})
    source = open_source(path)
    monkeypatch.setattr(memory_budget, "FILES", FileBudget(1 << 20, MemoryBudget(4 << 20)))
    for module in (image_table, tfrecord):
        monkeypatch.setattr(module, "FILES", memory_budget.FILES)
    found = source.read(0, 4)
    assert list(found.bad) == [2]
    assert "reading the record takes 5 MiB of memory" in found.bad[2]
    assert source.labels() == ["0", "1", "2", "3"]  # one copy of it is enough for these
