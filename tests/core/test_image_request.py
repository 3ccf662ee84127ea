import json

import pytest

from shoal.core.image_request import ImageRequest
from shoal.errors import InputError


@pytest.mark.parametrize(
    "values",
    [
        {"size": (0, 5)},
        {"size": (5,)},
        {"size": (5000, 5)},
        {"channels": 0},
        {"fit": "squash"},
        {"sampling": "nearest"},
        {"kept": 0},
        {"kept": 1.5},
    ],
)
def test_what_cannot_be_is_refused(values):
    with pytest.raises(InputError, match="give"):
        ImageRequest(**values)


def test_plain_values_read_back():
    wanted = ImageRequest((224, 200), channels=3, fit="pad", sampling="bicubic", kept=0.875)
    assert ImageRequest(**json.loads(json.dumps(wanted.as_dict()))) == wanted


def test_the_least_size_follows_from_what_is_kept():
    assert ImageRequest().least == (0, 0)
    assert ImageRequest((224, 112), kept=0.875).least == (256, 128)
    assert ImageRequest((224, 112), kept=0.875, fit="stretch").least == (224, 112)
