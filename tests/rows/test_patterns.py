import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import SourceError
from shoal.rows.patterns import braces, expand, is_pattern


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
