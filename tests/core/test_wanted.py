import json

import pytest

from shoal.core.wanted import Wanted
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
        Wanted(**values)


def test_plain_values_read_back():
    wanted = Wanted((224, 200), channels=3, fit="pad", sampling="bicubic", kept=0.875)
    assert Wanted(**json.loads(json.dumps(wanted.as_dict()))) == wanted


def test_the_least_size_follows_from_what_is_kept():
    assert Wanted().least == (0, 0)
    assert Wanted((224, 112), kept=0.875).least == (256, 128)
    assert Wanted((224, 112), kept=0.875, fit="stretch").least == (224, 112)
