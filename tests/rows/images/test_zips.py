import os
import tracemalloc
import zipfile

import pytest

from shoal.errors import SourceError
from shoal.rows.handles import inspect_file
from shoal.rows.images.zips import ZipArchive, list_zip, reason_not_read


def written(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def unpacked(path, info, **other):
    values = {"packed": info.compress_size, "size": info.file_size, "crc": info.CRC, **other}
    with inspect_file(path) as (opened, _):
        return ZipArchive().unpack(opened, info.header_offset, **values)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_come_out_as_the_standard_library_gives_them(tmp_path, method):
    members = {"b.jpg": b"bbb" * 5000, "a/é.png": os.urandom(3000), "empty.png": b"", "d/": b""}
    path = written(tmp_path / "x.zip", members, method)
    found = list_zip(path)
    assert [info.filename for info in found] == ["b.jpg", "a/é.png", "empty.png"]
    assert all(unpacked(path, info) == members[info.filename] for info in found)
    assert not any(map(reason_not_read, found))


def test_an_archive_behind_other_bytes(tmp_path):
    path = written(tmp_path / "x.zip", {"a.jpg": b"data"})
    path.write_bytes(b"#!/bin/sh\nexit\n" + path.read_bytes())
    (info,) = list_zip(path)
    assert unpacked(path, info) == b"data"


def test_damage_has_a_reason(tmp_path):
    path = written(tmp_path / "x.zip", {"a.jpg": os.urandom(500) * 3}, zipfile.ZIP_STORED)
    (info,) = list_zip(path)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with pytest.raises(SourceError, match="checksum is wrong"):
        unpacked(path, info)
    path.write_bytes(b"x" * len(data))
    with pytest.raises(SourceError, match="damaged where this member should begin"):
        unpacked(path, info)
    path.write_bytes(data[:200])
    with pytest.raises(SourceError, match=r"has only 1\d\d of 1,500 bytes"):
        unpacked(path, info)
    with pytest.raises(SourceError, match=r"cannot be read as a zip archive: .*: is it cut off"):
        list_zip(path)


def test_a_bomb_is_not_unpacked(tmp_path):
    path = written(tmp_path / "x.zip", {"a.jpg": bytes(50_000_000)})
    (info,) = list_zip(path)
    with pytest.raises(SourceError, match="the member has more than 1,000 bytes"):
        unpacked(path, info, size=1000)


def test_damaged_deflate_has_a_reason(tmp_path):
    path = written(tmp_path / "x.zip", {"a.jpg": b"abc" * 1000})
    (info,) = list_zip(path)
    data = bytearray(path.read_bytes())
    data[35:60] = b"\xff" * 25
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"cannot be unpacked|bytes|checksum"):
        unpacked(path, info)


def test_other_methods_and_encryption_have_a_reason(tmp_path):
    (info,) = list_zip(written(tmp_path / "x.zip", {"a.jpg": b"x"}, zipfile.ZIP_BZIP2))
    assert "packed by bzip2, which is not read" in reason_not_read(info)
    info.flag_bits |= 1
    assert reason_not_read(info) == "the member is encrypted"


def test_unpacking_takes_the_memory_of_the_member_and_no_more(tmp_path):
    size = 40 << 20
    path = tmp_path / "a.zip"
    written(path, {"a": os.urandom(size)})
    tracemalloc.start()
    assert len(unpacked(path, list_zip(path)[0])) == size
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * size  # it took three times as much, with its packed bytes
