import io
import pickle
import struct
from collections import OrderedDict

import numpy as np
import pytest

from shoal.errors import InputError
from shoal.features.photo import weights_file
from shoal.features.torch_file import read_torch_file

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
MACHINE = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {}}


class Name:
    """A name in a pickle: of something that need not be installed."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    """A call of a name in a pickle."""

    def __init__(self, what, *arguments):
        self.what, self.arguments = what, arguments


class Storage:
    def __init__(self, key, length, kind="FloatStorage", view=None):
        self.pid = ("storage", Name("torch", kind), key, "cpu", length, view)


class Writer(pickle._Pickler):
    """Writes names and calls as they stand, without looking whether they exist."""

    dispatch = pickle._Pickler.dispatch.copy()

    def persistent_id(self, thing):
        return thing.pid if isinstance(thing, Storage) else None

    def save_name(self, thing):
        self.write(f"c{thing.module}\n{thing.name}\n".encode())

    def save_call(self, thing):
        self.save(thing.what)
        self.save(thing.arguments)
        self.write(pickle.REDUCE)

    dispatch[Name], dispatch[Call] = save_name, save_call


def pickled(thing):
    out = io.BytesIO()
    Writer(out, protocol=2).dump(thing)
    return out.getvalue()


def tensor(storage, offset, shape, strides):
    rebuild = Name("torch._utils", "_rebuild_tensor_v2")
    return Call(rebuild, storage, offset, shape, strides, False, OrderedDict())


def stored(*numbers):
    array = np.asarray(numbers)
    dtype = "<f4" if array.dtype.kind == "f" else "<i8"
    return struct.pack("<q", len(array)) + array.astype(dtype).tobytes()


def torch_file(tmp_path, tensors, storages, *, magic=MAGIC, machine=MACHINE):
    path = tmp_path / "weights.pth"
    heads = [pickled(part) for part in (magic, PROTOCOL, machine, tensors, list(storages))]
    path.write_bytes(b"".join(heads) + b"".join(storages.values()))
    return path


def test_tensors_by_hand(tmp_path):
    numbers, counts = Storage("7", 6), Storage("3", 1, "LongStorage")
    path = torch_file(
        tmp_path,
        {
            "straight": tensor(numbers, 0, (2, 3), (3, 1)),
            "turned": tensor(numbers, 0, (3, 2), (1, 3)),
            "second row": tensor(numbers, 3, (3,), (1,)),
            "count": tensor(counts, 0, (), ()),
        },
        {"3": stored(41), "7": stored(0.0, 1, 2, 3, 4, 5)},
    )
    found = read_torch_file(path)
    assert found["straight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert found["second row"].tolist() == [3, 4, 5]
    assert (found["count"].dtype, found["count"].tolist()) == (np.int64, 41)


@pytest.mark.parametrize(
    "name",
    [("os", "system"), ("builtins", "eval"), ("torch", "load"), ("torch._utils", "_rebuild")],
)
def test_any_other_name_is_refused_and_nothing_is_called(tmp_path, name):
    mark = tmp_path / "called"
    path = torch_file(tmp_path, {"a": Call(Name(*name), f"touch {mark}")}, {})
    with pytest.raises(InputError, match=rf"refers to {name[0]}\.{name[1]}"):
        read_torch_file(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [((7,), (1,), 0), ((2, 3), (3, 2), 0), ((2,), (1,), 5), ((2,), (-1,), 1), ((2, 2), (1,), 0)],
)
def test_tensors_that_reach_out_of_their_storage_are_refused(tmp_path, shape, strides, offset):
    described = {"a": tensor(Storage("1", 6), offset, shape, strides)}
    path = torch_file(tmp_path, described, {"1": stored(*np.arange(6.0))})
    with pytest.raises(InputError, match="a tensor of shape"):
        read_torch_file(path)


def test_a_storage_shorter_than_it_was_said_is_refused(tmp_path):
    described = {"a": tensor(Storage("1", 6), 0, (6,), (1,))}
    path = torch_file(tmp_path, described, {"1": stored(1.0, 2.0)})
    with pytest.raises(InputError, match="2 numbers, fewer than its tensor needs"):
        read_torch_file(path)


@pytest.mark.parametrize(
    "data",
    [b"", b"PK\3\4 a zip file", b"\x80\x02.", pickled(5), pickled(MAGIC) + pickled(7)],
)
def test_other_files_are_refused(tmp_path, data):
    path = tmp_path / "other.pth"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"other\.pth cannot be read as weights of torch"):
        read_torch_file(path)


def test_a_cut_off_file_is_refused(tmp_path):
    whole = weights_file().read_bytes()
    for length in (30, 20_000, len(whole) // 2, len(whole) - 1):
        path = tmp_path / "cut.pth"
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="cannot be read"):
            read_torch_file(path)


def test_a_missing_file_and_a_big_endian_one_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_torch_file(tmp_path / "none.pth")
    path = torch_file(tmp_path, {}, {}, machine={**MACHINE, "little_endian": False})
    with pytest.raises(InputError, match="big-endian"):
        read_torch_file(path)


def test_the_same_as_torch_reads():
    torch = pytest.importorskip("torch")
    expected = torch.load(weights_file(), map_location="cpu", weights_only=True)
    found = read_torch_file(weights_file())
    assert list(found) == list(expected)
    for name, array in found.items():
        assert np.array_equal(array, expected[name].numpy()), name
