import pytest

from shoal.errors import InputError
from shoal.explore.params import Params


def sent(body):
    return Params({}, body if isinstance(body, bytes) else body.encode()).json()


@pytest.mark.parametrize(
    "body",
    [
        '{"from": 1' + "0" * 400 + "}",
        '{"from": -9223372036854775809}',
        '{"rows": [1, 9' + "0" * 30 + "]}",
        '{"to": 1e999}',
        '{"to": [1, -1e999]}',
        '{"to": NaN}',
        '{"a": ' + "[" * 30 + "]" * 30 + "}",
        '{"a":' * 30 + "1" + "}" * 30,
        "[" * 100_000,
        "[1]",
        b'{"name": "\xed\xa0\x80"}',  # half a character, in bytes
        '{"op": "undo"}'.encode("utf-16"),
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_that_would_be_our_fault_later_is_refused(body):
    with pytest.raises(InputError, match="the body is not JSON"):
        sent(body)


def test_halves_of_characters_are_replaced_wherever_they_stand():
    found = sent(r'{"author": "\ud83d", "where": [{"in": ["a\udcff", null]}], "\ud800": 1}')
    assert found == {"author": "\ufffd", "where": [{"in": ["a\ufffd", None]}], "\ufffd": 1}


def test_other_bodies_are_as_they_were_sent():
    assert sent("") == {}
    plain = '{"rows": [3, 1, 2], "area": [[0.5, 1]], "name": "Käfer 😀", "to": null, "on": true}'
    assert sent(plain) == {
        "rows": [3, 1, 2], "area": [[0.5, 1]], "name": "Käfer 😀", "to": None, "on": True,
    }  # fmt: skip
