import io

import numpy as np
import pytest
from PIL import Image

from shoal.errors import SourceError
from shoal.sources.decode import decode
from shoal.sources.png import check_sums


def test_one_changed_byte_among_the_pixels_is_found():
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    data = bytearray(file.getvalue())
    check_sums(bytes(data))
    data[500] ^= 4
    for call in (check_sums, decode):
        with pytest.raises(SourceError, match=r"damaged: the checksum at byte [\d,]+ is wrong"):
            call(bytes(data))
    data[500] ^= 4
    np.testing.assert_array_equal(decode(bytes(data)), noise)
    check_sums(bytes(data[:300]))
    check_sums(b"")
