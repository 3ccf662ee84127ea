import pytest

from shoal.core import record_lists
from shoal.core.layers import Layer, Layers
from shoal.core.record_lists import RecordList, html_table
from shoal.errors import MissingExtraError

RECORDS = RecordList(
    [{"k": 1234, "ari": 0.123456, "name": "<b>"}, {"k": 2, "ari": None, "name": ""}]
)


def test_records_read_as_a_table():
    lines = repr(RECORDS).splitlines()
    assert [line.split() for line in lines] == [
        ["k", "ari", "name"],
        ["1,234", "0.123", "<b>"],
        ["2", "–"],
    ]
    assert RECORDS == [
        {"k": 1234, "ari": 0.123456, "name": "<b>"},
        {"k": 2, "ari": None, "name": ""},
    ]
    assert repr(RecordList()) == "[]"


def test_records_may_lack_what_others_have():
    found = RecordList([{"name": "a", "k": 2}, {"name": "b", "declined": "too many"}])
    assert [line.split() for line in repr(found).splitlines()] == [
        ["name", "k", "declined"],
        ["a", "2", "–"],
        ["b", "–", "too", "many"],
    ]
    assert found.to_arrow().column_names == ["name", "k", "declined"]


def test_html_is_escaped_and_bounded():
    html = html_table(RECORDS * 100)
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    assert html.count("<tr>") == 1 + 60 + 1
    assert "and 140 more" in html


def test_tables_keep_all_digits():
    assert RECORDS.to_arrow().to_pylist() == RECORDS
    assert RECORDS.to_pandas()["ari"][0] == 0.123456


def test_without_pandas_the_package_is_named(monkeypatch):
    monkeypatch.setattr(record_lists, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install pandas"):
        RECORDS.to_pandas()


def test_layers_are_a_tuple_that_reads_as_a_table():
    layers = Layers([Layer(2, 5.123456, 0.98765), Layer(4, 0.2, float("nan"), True)])
    assert layers == tuple(layers)
    assert repr(layers[1]) == "Layer(k=4, excess=0.2, stability=nan, primary, weak)"
    assert "5.12" in repr(layers)
    assert "5.123456" not in repr(layers)
    assert layers.to_arrow().column("k").to_pylist() == [2, 4]
    assert layers._repr_html_().count("<tr>") == 3


def test_a_layer_is_a_table_of_one_line():
    table = Layer(3, 2.0, 0.9, True).to_pandas()
    assert table.to_dict("records") == [
        {"k": 3, "excess": 2.0, "stability": 0.9, "primary": True, "weak": False}
    ]
