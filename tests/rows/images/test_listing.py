import os
import pickle
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import SourceError
from shoal.rows.images import listing
from shoal.rows.images.image_table import FilesStore
from shoal.rows.images.listing import braces, expand, is_pattern, list_files, natural_key, read_list


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
    listing = pickle.loads(pickle.dumps(list_files(tmp_path_factory.getbasetemp() / "no", names)))
    assert [listing[row] for row in range(len(listing))] == names
    assert (listing.sizes == -1).all() or not names or "" in names


def test_a_million_names_stay_small(tmp_path):
    listing = list_files(tmp_path, [f"{n}.png" for n in range(1000)])
    assert len(pickle.dumps(listing)) < 1000 * 40
    assert listing.names.ends.dtype == np.int64


def test_links_are_noted_and_folders_that_are_links(tmp_path):
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "set" / "plain").mkdir(parents=True)
    for path in ("real/a.png", "real/inner/b.png", "set/plain/c.png"):
        (tmp_path / path).write_bytes(b"x")
    (tmp_path / "set" / "d.png").symlink_to(tmp_path / "real" / "a.png")
    (tmp_path / "set" / "away").symlink_to(tmp_path / "real")
    (tmp_path / "set" / "gone.png").symlink_to(tmp_path / "nowhere")
    names = ["plain/c.png", "d.png", "away/a.png", "away/inner/b.png", "gone.png"]
    listing = list_files(tmp_path / "set", names)
    assert (listing.links != 0).tolist() == [False, True, True, True, True]
    assert listing.links[1] == listing.links[2]  # both lead to one file
    assert listing.sizes.tolist() == [1, 1, 1, 1, -1]
    assert list_files(tmp_path / "set", names[:1]).links is None
    (tmp_path / "linked").symlink_to(tmp_path / "set")  # the folder itself may be a link
    assert list_files(tmp_path / "linked", names[:1]).links is None


@pytest.mark.parametrize("year", [1, 1900, 1969, 1970, 2263, 2300, 2400, 9999])
def test_files_of_any_year_are_listed_and_read(tmp_path, year):
    seconds = int((datetime(year, 6, 1) - datetime(1970, 1, 1)).total_seconds())
    path = tmp_path / "a.png"
    path.write_bytes(b"x")
    os.utime(path, ns=(0, seconds * 10**9 + 7))
    if path.stat().st_mtime_ns != seconds * 10**9 + 7:
        pytest.skip("this file system does not hold such a time")
    listing = list_files(tmp_path, ["a.png"])
    store = FilesStore(listing)
    assert list(store.blobs(0, 1)) == [b"x"]
    facts = store.facts()
    os.utime(path, ns=(0, seconds * 10**9 + 8))
    assert isinstance(next(store.blobs(0, 1)), SourceError)  # it changed
    assert FilesStore(list_files(tmp_path, ["a.png"])).facts() != facts


@pytest.mark.parametrize("name", ["x.txt", "x.csv"])
def test_a_file_with_a_line_longer_than_any_path_is_no_list(tmp_path, monkeypatch, name):
    monkeypatch.setattr(listing, "_LONGEST_LINE", 1000)
    path = tmp_path / name
    path.write_text("a.png\n" + "b.png" * 400 + "\nc.png\n")
    assert read_list(path, frozenset([".png"])) is None
    path.write_text("a.png\n" + "b" * 800 + ".png\nc.png\n")
    assert read_list(path, frozenset([".png"])) == ["a.png", "b" * 800 + ".png", "c.png"]


def test_braces_as_a_shell_writes_them_out():
    assert braces("s-{000..002}.tar") == ["s-000.tar", "s-001.tar", "s-002.tar"]
    assert braces("s-{9..11}") == ["s-9", "s-10", "s-11"]
    assert braces("s-{0..10}")[::5] == ["s-0", "s-5", "s-10"]
    assert braces("s-{3..1}") == ["s-3", "s-2", "s-1"]
    assert braces("{b,a}-{1,2}") == ["b-1", "b-2", "a-1", "a-2"]
    assert braces("a{}b") == ["a{}b"]
    with pytest.raises(SourceError, match="more than 1,000,000 paths"):
        braces("{0..99999999}")
    with pytest.raises(SourceError, match="more than 1,000,000 paths"):
        braces("{0..9999}{0..9999}")


@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 5))
def test_a_range_has_both_ends_and_one_width(low, high, width):
    found = braces(f"{{{low:0{width}d}..{high:0{width}d}}}")
    assert [int(one) for one in found] == list(range(low, high + 1)) or low > high
    assert len(found) == abs(high - low) + 1


def test_paths_are_found_in_natural_order(tmp_path):
    for name in ("s-1.tar", "s-10.tar", "s-2.tar", "other.zip"):
        (tmp_path / name).touch()
    assert [path.name for path in expand(f"{tmp_path}/s-*.tar")] == [
        "s-1.tar",
        "s-2.tar",
        "s-10.tar",
    ]
    assert [path.name for path in expand(f"{tmp_path}/{{s-2.tar,other.zip}}")] == [
        "s-2.tar",
        "other.zip",
    ]


def test_what_is_missing_is_named(tmp_path):
    (tmp_path / "s-0.tar").touch()
    with pytest.raises(SourceError, match=r"s-1\.tar does not exist, but .*1\}\.tar includes"):
        expand(f"{tmp_path}/s-{{0..1}}.tar")
    with pytest.raises(SourceError, match="matches nothing: check the folder"):
        expand(f"{tmp_path}/*.zip")


def test_a_path_that_is_there_is_no_pattern(tmp_path):
    (tmp_path / "odd[1].tar").touch()
    assert not is_pattern(f"{tmp_path}/odd[1].tar")
    assert is_pattern(f"{tmp_path}/odd[2].tar")
