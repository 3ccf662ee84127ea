import crc32c as reference
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.rows.images.crc32c import crc32c, masked_crc


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"", 0), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E)],
)
def test_the_examples_of_rfc_3720(data, expected):
    assert crc32c(data) == expected


@given(st.binary(max_size=100))
def test_any_bytes_as_another_library_sums_them(data):
    assert crc32c(data) == crc32c(memoryview(data)) == reference.crc32c(data)


def test_the_mask_by_hand():
    # 0xe3069283 turned right by 15 bits is 0x2507c60d; plus 0xa282ead8
    assert masked_crc(b"123456789") == 0xC78AB0E5
