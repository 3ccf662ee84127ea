import contextlib
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tfrecord import example_pb2

from shoal.errors import SourceError
from shoal.rows.images.tfrecord import first_values


def message(values):
    """Write an Example with the library of protocol buffers."""
    example = example_pb2.Example()
    for name, value in values.items():
        feature = example.features.feature[name]
        if not value or isinstance(value[0], bytes):
            feature.bytes_list.value.extend(value)
        elif isinstance(value[0], float):
            feature.float_list.value.extend(value)
        else:
            feature.int64_list.value.extend(value)
    return example.SerializeToString()


def test_a_message_by_hand():
    # Example{features{feature{key "a" value{bytes_list{value "xy"}}}}}
    record = b"\x0a\x0d\x0a\x0b\x0a\x01a\x12\x06\x0a\x04\x0a\x02xy"
    assert first_values(record) == {"a": b"xy"}


def test_whole_numbers_one_by_one_and_packed():
    head = b"\x0a\x01n\x12"
    packed, single = b"\x1a\x05\x0a\x03\x01\xac\x02", b"\x1a\x05\x08\x01\x08\xac\x02"
    for body in (packed, single):
        entry = head + bytes([len(body)]) + body
        inner = b"\x0a" + bytes([len(entry)]) + entry
        assert first_values(b"\x0a" + bytes([len(inner)]) + inner) == {"n": 1}


WHOLE = st.integers(-(2**63), 2**63 - 1)


@given(
    st.dictionaries(
        st.text(max_size=10),
        st.lists(st.binary(max_size=200), min_size=1) | st.lists(WHOLE, min_size=1),
    )
)
def test_any_message_is_read_as_it_was_written(values):
    record = message({**values, "0.5": [0.5]})
    assert first_values(record) == {name: value[0] for name, value in values.items()}
    for name, value in values.items():
        cut = value[0][:3] if isinstance(value[0], bytes) else value[0]
        assert first_values(record, name, 3) == {name: cut}


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_have_a_reason(data):
    with contextlib.suppress(SourceError):
        first_values(data)


def test_a_message_cut_off_has_a_reason():
    data = message({"image": [b"x" * 300]})
    with pytest.raises(SourceError, match="cut off"):
        first_values(data[:200])


def test_millions_of_numbers_are_passed_over():
    record = message({"a": [b"x" * 100], "n": [7]})
    packed = b"\0" * 3_000_000  # so many numbers that are 0
    values = field(3, field(1, b"\x07" + packed))
    more = field(1, field(1, field(1, b"many") + field(2, values)))
    whole = record + more
    tracemalloc.start()
    assert first_values(whole, most=4) == {"a": b"xxxx", "n": 7, "many": 7}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def field(number, data):
    """Write a field of bytes."""
    length = len(data)
    sizes = [length >> shift & 0x7F | 0x80 for shift in range(0, 28, 7)]
    return bytes([number << 3 | 2, *sizes, length >> 28]) + data
