import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.storage.toml_text import toml_text

texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.integers() | st.floats(allow_nan=False)
values = st.recursive(texts | numbers | st.booleans(), st.lists, max_leaves=6)
tables = st.recursive(
    st.dictionaries(texts, values, max_size=4),
    lambda inner: st.dictionaries(texts, values | inner, max_size=4),
    max_leaves=6,
)


@given(tables)
def test_what_is_written_is_read_back(table):
    assert tomllib.loads(toml_text(table)) == table


def test_none_is_left_out():
    assert toml_text({"a": None, "b": {"c": None, "d": 1}}) == "[b]\nd = 1\n"


def test_a_name_that_is_no_utf8_is_written_in_words():
    assert tomllib.loads(toml_text({"path": "a\udc80b"})) == {"path": "a\\udc80b"}


def test_another_type_is_refused():
    with pytest.raises(TypeError, match=r"run\.toml cannot hold a set"):
        toml_text({"a": {1, 2}})
