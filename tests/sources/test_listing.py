import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shoal.sources.listing import make_listing, natural_key


def test_numbers_sort_as_numbers():
    names = ["img10.png", "img9.png", "a/1.png", "img09.png", "10", "9", "b"]
    expected = ["9", "10", "a/1.png", "b", "img09.png", "img9.png", "img10.png"]
    assert sorted(names, key=natural_key) == expected


@given(st.lists(st.text("ab1290/.", min_size=1), min_size=2))
def test_the_order_is_total_and_keeps_every_name(names):
    ordered = sorted(names, key=natural_key)
    assert sorted(ordered) == sorted(names)
    assert list(dict.fromkeys(ordered)) == sorted(set(names), key=natural_key)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)))
def test_names_come_back(tmp_path_factory, names):
    listing = pickle.loads(pickle.dumps(make_listing(tmp_path_factory.getbasetemp() / "no", names)))
    assert [listing[row] for row in range(len(listing))] == names
    assert (listing.sizes == -1).all() or not names or "" in names


def test_a_million_names_stay_small(tmp_path):
    listing = make_listing(tmp_path, [f"{n}.png" for n in range(1000)])
    assert len(pickle.dumps(listing)) < 1000 * 40
    assert listing.ends.dtype == np.int64
