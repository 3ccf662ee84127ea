"""A kind of files from outside is one class and one line."""

import io
import pickle

import numpy as np
import pytest
from PIL import Image

from shoal.errors import SourceError
from shoal.rows import Taken, open_source
from shoal.rows.images.containers import CONTAINERS
from shoal.rows.images.image_table import Container, Member


class Pack(Container):
    """``PACK``, then for each image a byte for the length of its name, four for its own, both."""

    kind, many, called, what = "pack", "packs", "pack", "entry"
    endings = (".pack",)

    def begins(self, head):
        return head[:4] == b"PACK"

    def members(self, opened, file):
        at = 4
        while at < file.size:
            named, size = opened.read(at, 1)[0], int.from_bytes(opened.read(at + 1, 4), "big")
            yield Member(opened.read(at + 5, named), at + 5 + named, size, size)
            at += 5 + named + size


def png(value):
    file = io.BytesIO()
    Image.fromarray(np.full((8, 8), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def packed(path, values):
    entries = [(b"%d.png" % value, png(value)) for value in values]
    entries.append((b"notes.txt", b"no image"))
    path.write_bytes(
        b"PACK" + b"".join(bytes([len(n)]) + len(d).to_bytes(4, "big") + n + d for n, d in entries)
    )


@pytest.fixture
def packs(tmp_path):
    CONTAINERS.append(Pack())
    packed(tmp_path / "a.pack", [10, 20, 30])
    packed(tmp_path / "b.pack", [40, 50])
    yield tmp_path
    CONTAINERS.pop()


def values(source):
    return source.read(0, source.n_rows).data[:, 0, 0, 0].tolist()


def test_it_is_read_as_a_file_a_folder_and_a_pattern(packs):
    one = pickle.loads(pickle.dumps(open_source(packs / "a.pack")))
    assert (values(one), one.names(0, 3)) == ([10, 20, 30], ["10.png", "20.png", "30.png"])
    for where in (packs, str(packs / "{a,b}.pack"), [packs / "a.pack", packs / "b.pack"]):
        source = open_source(where)
        assert values(source) == [10, 20, 30, 40, 50]
        assert source.names(3, 4) == ["b.pack/40.png"]
        assert "2 packs" in source.description
    assert values(source.take(Taken(np.array([4, 0, 3]), 5))) == [50, 10, 40]
    packed(packs / "a.pack", [10, 20])
    assert source.read(0, 1).bad == {0: "a.pack changed after it was opened"}


def test_one_without_images_says_what_it_holds(packs):
    packed(packs / "a.pack", [])
    with pytest.raises(SourceError, match=r"has no images \(it holds 1 \.txt\)"):
        open_source(packs / "a.pack")
