"""Requests of every kind: none is our fault, and nothing outside the run is read."""

import json
import random
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pytest

import shoal
from shoal.explore.editing import OPERATIONS
from shoal.explore.metadata import make_metadata
from shoal.explore.routes import READS, WRITES
from shoal.explore.serve import static_files

ODD = (
    "", "0", "1", "-1", "5", "599", "600", "1e9", "9" * 30, "NaN", "inf", "null", "true", "None",
    "0x10", "1.5", " 1", "1 ", "\u0661", "%00", "\0", "../../etc/passwd", "/etc/passwd",
    "file:///etc/passwd", "..%2f..%2fetc%2fpasswd", "<script>", "' OR 1=1 --", "1,2,3", "1,,2",
    "1,600", "edited", "other", "typical", "duplicates", "csv", "folders", "sheet", "veil",
    "spreadsheet", "a" * 5000, "{}", "[]", "[[0,0],[1,1],[0,1]]", "0123456789abcdef01",
    "\ud800", "x\udcff", "9" * 400, "1e999", "-1e-999", "\ufffe", "\r\nx: y", "kind", "weight",
)  # fmt: skip
NAMES = (
    "k", "set", "order", "seed", "start", "count", "rows", "row", "side", "z", "x", "y", "what",
    "as", "clusters", "each", "before", "after", "cluster", "since", "token", "path", "v",
    "x0", "y0", "x1", "y1",
)  # fmt: skip


BODIES = (
    b'{"op": "merge", "clusters": [0, 1' + b"0" * 400 + b"]}",
    b'{"op": "rename", "cluster": 0, "name": "\xed\xa0\x80"}',
    b'{"clusters": [1e999]}', b'{"area": [[NaN, 0], [1, Infinity], [-Infinity, 1]]}',
    b'{"rows": [' + b"9" * 5000 + b"]}", b"\xef\xbb\xbf{}", '{"op": "undo"}'.encode("utf-16"),
    b'{"clusters": ' + b"[" * 500 + b"]" * 500 + b"}", b"[" * 100_000, b'{"a":' * 100_000,
    b'{"op": ' + b"[" * 900 + b"]" * 900 + b"}", b'{"words": "' + b"x" * 1_000_000 + b'"}',
)  # fmt: skip


def nested(inner, depth):
    """Lists within lists."""
    return inner if depth == 0 else [nested(inner, depth - 1)]


def condition(draw):
    """A condition on the columns beside the rows, more or less."""
    names = ("from", "to", "in", "has")
    given = {name: value(draw) for name in draw.sample(names, draw.randrange(1, 4))}
    if draw.random() < 0.3:
        given["in"] = [draw.choice(ODD), None]
    return {"column": draw.choice(["weight", "kind", "title", draw.choice(ODD)]), **given}


def value(draw, depth=0):
    """A JSON value of any kind."""
    if draw.random() < 0.02:
        return nested(draw.choice(ODD), draw.choice((30, 200, 600)))
    if depth < 3 and draw.random() < 0.3:
        return [value(draw, depth + 1) for _ in range(draw.randrange(5))]
    if depth < 3 and draw.random() < 0.15:
        return {draw.choice(NAMES): value(draw, depth + 1) for _ in range(draw.randrange(4))}
    odd = [None, True, 0, 1, 3, -1, 2**40, 2**70, 0.5, 1e300, *ODD, "zeros", "junk"]
    odd += [10**400, -(10**400), float("nan"), float("inf"), "\ud83d" * 30, "x" * 20_000]
    return draw.choice(odd)


def quoted(text, safe="%"):
    """A text as it stands in an address; halves of characters as bytes that are not UTF-8."""
    return quote(text.encode("utf-8", "surrogatepass"), safe=safe)


def columns(n):
    """Columns beside the rows: a number, a category, a text."""
    return pa.table(
        {
            "weight": [None if i == 7 else i / 2 for i in range(n)],
            "kind": [["cat", "dög", None][i % 3] for i in range(n)],
            "title": [f"Number {i} <b>" for i in range(n)],
        }
    )


@pytest.fixture
def watched(monkeypatch):
    """Every path that Python opens, from now on."""
    opened = []
    state = {"on": True}

    def hook(event, arguments):
        if state["on"] and event == "open" and isinstance(arguments[0], str | bytes):
            opened.append(str(arguments[0]))

    sys.addaudithook(hook)  # it cannot be taken away again, only told to be silent
    yield opened
    state["on"] = False


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["digits", "vectors"])
def test_no_request_is_our_fault_and_nothing_else_is_read(kind, seed, ask, watched, request):
    explorer = request.getfixturevalue(kind)
    explorer.metadata = make_metadata(columns(explorer.run.n_rows), "here")
    client, draw = ask(explorer), random.Random(seed)
    known = [client.post("/api/sets", json={"clusters": [c]}).json()["set"] for c in range(3)]
    watched.clear()
    answers = {}
    for _ in range(250):
        path = draw.choice([*READS, *READS, "nothing", "map/../run", "%2e%2e/run"])
        query = {
            name: draw.choice([*ODD, *known]) for name in draw.sample(NAMES, draw.randrange(6))
        }
        text = "&".join(f"{name}={quoted(v)}" for name, v in query.items())
        answer = client.get(f"/api/{path}?{text}")
        answers[answer.status_code] = answers.get(answer.status_code, 0) + 1
        assert answer.status_code < 500, (path, query, answer.text[:300])
        if answer.status_code >= 400:
            assert set(answer.json()) == {"error"}
    for _ in range(200):
        path = draw.choice(list(WRITES))
        names = (*NAMES, "op", "area", "where", "into", "name", "note", "mark", "parts", "to")
        names += ("author", "seen", "words", "locked", "a", "b", "n", "right", "wrong")
        body = {name: value(draw) for name in draw.sample(names, draw.randrange(6))}
        if path == "sets" and draw.random() < 0.5:
            body = {"where": [condition(draw) for _ in range(draw.randrange(1, 3))]}
        if draw.random() < 0.7:
            body["op"] = draw.choice(list(OPERATIONS))
            body["cluster"] = draw.choice([0, 1, 2, 3])
        data = json.dumps(body).encode()
        if draw.random() < 0.1:
            data = bytes(draw.randrange(256) for _ in range(draw.randrange(400)))
        elif draw.random() < 0.1:
            data = draw.choice(BODIES)
        answer = client.post(f"/api/{path}?k={draw.choice(['', '', '3', 'x'])}", content=data)
        assert answer.status_code < 500, (path, body, answer.text[:300])
        assert answer.status_code < 400 or len(answer.content) < 5000
    for name in (*static_files(), *ODD):
        answer = client.get(f"/static/{quoted(name, safe='')}")
        assert answer.status_code in (200, 404)
    assert {200, 400, 404} <= set(answers)
    ours = (str(explorer.run.path.parent), sys.prefix, sys.base_prefix, "/usr", "/proc", "/dev")
    ours += (tempfile.gettempdir(), "/sys/fs/cgroup", str(Path(shoal.__file__).parent))
    assert {p for p in watched if p.startswith("/") and not p.startswith(ours)} == set()
    assert not [p for p in watched if "passwd" in p]
    labels = explorer.run.edits.labels()
    assert sum(explorer.curation.sizes().values()) == (labels >= 0).sum()
