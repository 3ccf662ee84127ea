import asyncio
import base64
import importlib
import io
import json
import sys

import pytest
from mcp import Client
from PIL import Image

from shoal.errors import MissingExtraError
from shoal.explore.mcp import make_mcp


@pytest.fixture
def call_of():
    """Call a tool of an explorer as an assistant does."""

    def of(explorer):
        def called(tool, **arguments):
            async def session():
                async with Client(make_mcp(explorer, "ada, by an assistant")) as client:
                    return await client.call_tool(tool, arguments)

            return asyncio.run(session())

        return called

    return of


@pytest.fixture
def call(digits, call_of):
    return call_of(digits)


def said(result):
    assert not result.is_error, result.content[0].text
    found = [json.loads(part.text) for part in result.content if part.type == "text"]
    return found[0] if len(found) == 1 else found


def test_an_assistant_looks_edits_and_undoes(call, digits):
    assert said(call("run"))["rows"] == 600
    clusters = said(call("clusters"))
    ids = [c["id"] for c in clusters]
    assert sum(c["rows"] for c in clusters) == 600
    assert said(call("preview", op="merge", clusters=ids[:2]))["into"] in ids[:2]
    said(call("edit", op="merge", clusters=ids[:2], name="both"))
    entry = digits.curation.done[-1]
    assert (entry.op, entry.author) == ("merge", "ada, by an assistant")
    assert len(said(call("clusters"))) == len(ids) - 1
    said(call("edit", op="move", rows=[3, 4], name="odd"))
    assert digits.curation.labels_of([3, 4]).tolist() == [max(ids) + 1] * 2
    said(call("edit", op="apart", clusters=[max(ids) + 1, ids[-1]]))
    said(call("edit", op="undo", n=3))
    assert digits.curation.done == []
    assert said(call("history"))["entries"][0]["op"] == "undo"


def test_a_sheet_shows_the_rows_that_it_lists(call, digits):
    cluster = said(call("clusters"))[0]["id"]
    picture, listed = call("sheet", cluster=cluster, order="boundary", count=9).content
    sure = [row["confidence"] for row in json.loads(listed.text)]
    assert sure == sorted(sure)
    with Image.open(io.BytesIO(base64.b64decode(picture.data))) as sheet:
        assert sheet.size[0] == sheet.size[1] > 3 * 96
    assert call("image", row=5).content[0].mime_type == "image/png"


def test_rows_that_are_no_images_have_values(vectors, call_of):
    found = said(call_of(vectors)("values", rows=[3, 5]))
    assert found["columns"] is None
    assert len(found["rows"]["3"]) == len(found["mean"]) == 5
    assert "not images" in call_of(vectors)("sheet").content[0].text


def test_without_its_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    monkeypatch.delitem(sys.modules, "shoal.explore.mcp")
    with pytest.raises(MissingExtraError, match=r"shoal\[mcp\]"):
        importlib.import_module("shoal.explore.mcp")


def test_the_review_asks_what_is_unsure(call):
    questions = said(call("review", count=3))
    assert 0 < len(questions) <= 3
    assert all(0 <= question["chance"] <= 1 for question in questions)


@pytest.mark.parametrize(
    ("tool", "arguments", "what"),
    [
        ("clusters", {"k": 10_000}, "k 10000"),
        ("sheet", {"cluster": 777}, "nothing in cluster 777"),
        ("sheet", {"count": 0}, "count must be 1 to 400"),
        ("edit", {"op": "rename", "cluster": 777, "name": "x"}, "no cluster 777"),
        ("edit", {"op": "apart", "clusters": [1]}, "two clusters"),
        ("edit", {"op": "move", "rows": [6000]}, "whole numbers from 0 to 599"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(call, digits, tool, arguments, what):
    result = call(tool, **arguments)
    assert result.is_error
    assert what in result.content[0].text
    assert digits.curation.done == []


def test_a_read_only_run_has_no_tool_that_edits(call, digits):
    digits.read_only = True
    assert call("edit", op="undo").is_error
    assert said(call("clusters"))
