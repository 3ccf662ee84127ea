import io
import os
import tarfile

import pytest

from shoal.errors import SourceError
from shoal.rows.images.containers import list_containers


def archive(path, names):
    with tarfile.open(path, "w") as file:
        for name in names:
            member = tarfile.TarInfo(f"{name}.png")
            member.size = 1
            file.addfile(member, io.BytesIO(name.encode()))
    return path


@pytest.fixture
def store(tmp_path):
    paths = [archive(tmp_path / f"{at}.tar", names) for at, names in enumerate(("ab", "c", "def"))]
    return list_containers(paths, "three", None)[0]


def test_each_row_has_its_file_open(store):
    for start, stop in ((0, 6), (1, 4), (3, 3), (5, 6)):
        assert b"".join(store.blobs(start, stop)) == b"abcdef"[start:stop]


def test_files_that_are_gone_or_changed_have_a_reason(store):
    store.files.path(0).unlink()
    os.utime(store.files.path(1), ns=(1, 1))
    found = list(store.blobs(0, 6))
    assert [str(found[0]), str(found[1])] == ["0.tar is missing"] * 2
    assert str(found[2]) == "1.tar changed after it was opened"
    assert not any(isinstance(one, SourceError) for one in found[3:])


def test_files_are_closed_when_nobody_reads_on(store):
    before = len(os.listdir("/proc/self/fd"))
    reading = store.blobs(0, 6)
    next(reading)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    reading.close()
    assert len(os.listdir("/proc/self/fd")) == before
