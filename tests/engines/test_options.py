import pytest

from shoal.engines.options import OptionParser, as_words, positive_seconds
from shoal.errors import SettingError


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"address": "tcp://host:1", "wait": 5}, ["--address=tcp://host:1", "--wait=5"]),
        ({"conf": ["a=1", "b=2"], "n": 3}, ["--conf=a=1", "--conf=b=2", "--n=3"]),
        (("--a=1", "b"), ["--a=1", "b"]),
        ({}, []),
    ],
)
def test_a_mapping_becomes_words(options, words):
    assert as_words(options) == words


def test_a_text_is_no_list_of_options():
    with pytest.raises(SettingError, match="must be a list or a dict; got the text '--address=x'"):
        as_words("--address=x")


@pytest.mark.parametrize("words", [["--wait=nan"], ["--wait=-1"], ["--wait=inf"], ["--wait"]])
def test_what_is_no_time_is_refused(words):
    parser = OptionParser("dask")
    parser.add_argument("--wait", type=positive_seconds)
    with pytest.raises(SettingError, match="--engine dask takes --wait behind --: "):
        parser.parse_args(words)
