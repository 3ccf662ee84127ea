"""A run for an assistant: the requests of the page as tools of the Model Context Protocol."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any, Literal

from starlette.responses import Response

from shoal.errors import InputError, MissingExtraError, ShoalError
from shoal.explore import editing, exporting, judging, views
from shoal.explore.explorer import Explorer
from shoal.explore.params import GoneError, Params

try:
    from mcp.server import MCPServer
    from mcp.server.mcpserver import Image
    from mcp.server.mcpserver.exceptions import ToolError
except ImportError as error:
    raise MissingExtraError("shoal mcp needs the extra mcp: pip install 'shoal[mcp]'") from error

Order = Literal["typical", "boundary", "outliers", "random", "duplicates", "tree"]
# fmt: off
Operation = Literal[
    "merge", "split", "move", "rename", "note", "mark", "lock", "apart", "whole", "start", "undo",
    "redo",
]
# fmt: on

_ABOUT = """\
Clusters of images or table rows that Shoal found. Begin with `run` and `clusters`, look at `sheet`
(contact sheets; order "typical" for what a cluster is, "boundary" for its unsure images), and
answer `review`. Clusters are called by their `id`. `k` looks at another cut of the same tree;
without it the clusters are as people edited them, and only these can be edited. Call `preview`
before a merge or a split. Every edit is logged with its author and can be undone by op "undo"."""
_KEPT = ("id", "called", "rows", "outliers", "separation", "mixed_at", "mark", "note", "locked")


def make_mcp(explorer: Explorer, author: str) -> MCPServer[Any]:
    """Return a server whose tools look at a run and edit it; edits are signed by `author`."""
    server: MCPServer[Any] = MCPServer("shoal", instructions=_ABOUT, log_level="WARNING")
    tools = _looking_tools(explorer)
    if not explorer.read_only:
        tools = (*tools, _edit_tool(explorer, author))
    for tool in tools:
        server.add_tool(_in_words(tool), structured_output=False)
    return server


def _looking_tools(explorer: Explorer) -> tuple[Callable[..., Any], ...]:
    get, send = functools.partial(_get, explorer), functools.partial(_send, explorer)

    def run() -> dict[str, Any]:
        """Describe the run: rows, marked cuts (layers), advice, columns of a table."""
        found = get(views.run_facts)
        left_out = ("palette", "excess", "thumb", "version", "orders")
        return {name: value for name, value in found.items() if name not in left_out}

    def clusters(k: int | None = None) -> list[dict[str, Any]]:
        """List the clusters of a cut: what they are `called`, their rows, marks.

        `separation` is how separate a cluster is (1: no ties to others); one with `mixed_at` may be
        several things, which come apart at that k.
        """
        found = get(views.clusters, k=k)["clusters"]
        return [{name: c[name] for name in _KEPT if c.get(name) is not None} for c in found]

    def names(k: int | None = None) -> dict[str, Any]:
        """Suggest a name for each cluster, by its folder or telling columns."""
        return get(judging.suggestions, k=k)["names"]

    def sheet(
        cluster: int | None = None,
        rows: list[int] | None = None,
        order: Order = "typical",
        count: int = 48,
        k: int | None = None,
    ) -> list[Any]:
        """Show images of a cluster, or given rows, as a contact sheet, and list their rows.

        The sheet is read line by line, in the order of the list.
        """
        if not 1 <= count <= exporting.MOST_ON_SHEET:
            raise InputError(f"count must be 1 to {exporting.MOST_ON_SHEET}; got {count}")
        found = _set(explorer, cluster, rows, k)
        listed = get(views.rows, k=k, set=found, order=order, count=count)["rows"]
        data = exporting.sheet(explorer, [row["row"] for row in listed])
        return [Image(data=data, format="png"), json.dumps(listed)]

    def list_rows(
        cluster: int | None = None,
        order: Order = "typical",
        start: int = 0,
        count: int = 50,
        k: int | None = None,
    ) -> dict[str, Any]:
        """List rows of a cluster (or of all) with name, confidence and whether they lie far out."""
        found = _set(explorer, cluster, None, k)
        return get(views.rows, k=k, set=found, order=order, start=start, count=count)

    def row(row: int, k: int | None = None) -> dict[str, Any]:
        """Tell all about one row: its cluster, the clusters it lies between, what is like it."""
        return get(views.row, row=row, k=k)

    def image(row: int) -> Image:
        """Show one image as large as it is."""
        answer = get(views.image, row=row)
        return Image(data=answer.body, format=answer.media_type.removeprefix("image/"))

    def values(rows: list[int]) -> dict[str, Any]:
        """Tell the cells of up to 100 rows of a table or of vectors, and the mean of all rows."""
        found = get(views.values, rows=",".join(map(str, rows)))
        shown = {row: facts["shown"] for row, facts in found["rows"].items()}
        return {"columns": get(views.run_facts)["columns"], "rows": shown, "mean": found["mean"]}

    def review(count: int = 10) -> list[dict[str, Any]]:
        """Ask what is most worth deciding: merges, splits, unsure rows, each with its chance."""
        return get(judging.review)["questions"][: max(count, 1)]

    def compare(before: int, after: int | None = None) -> dict[str, Any]:
        """Return what the clusters of the cut into `before` become in another, or as edited."""
        return get(judging.compared, before=before, after="edited" if after is None else after)

    def preview(
        op: Literal["merge", "split"],
        clusters: list[int] | None = None,
        cluster: int | None = None,
        parts: int | None = None,
    ) -> dict[str, Any]:
        """Return what would come of merging `clusters` or splitting a `cluster`, and do nothing."""
        body = {"op": op, "clusters": clusters or [], "cluster": cluster, "parts": parts}
        return send(editing.preview, body)

    def history() -> dict[str, Any]:
        """List the edits made so far, by whom, and what can be undone."""
        return get(editing.history)

    # fmt: off
    return (
        run, clusters, names, sheet, list_rows, row, image, values, review, compare, preview,
        history,
    )
    # fmt: on


def _edit_tool(explorer: Explorer, author: str) -> Callable[..., Any]:

    def edit(
        op: Operation,
        cluster: int | None = None,
        clusters: list[int] | None = None,
        rows: list[int] | None = None,
        to: int | None = None,
        name: str | None = None,
        note: str | None = None,
        mark: Literal["good", "junk"] | None = None,
        locked: bool = True,
        parts: int | None = None,
        k: int | None = None,
        n: int = 1,
    ) -> dict[str, Any]:
        """Edit the clusters: one logged entry, which can be undone.

        merge `clusters` (perhaps with a `name`); split a `cluster` (into `parts`); move `rows` `to`
        a cluster, or to a new one; rename, note, mark, lock a `cluster`; apart: two `clusters` are
        not the same; whole: a `cluster` is one thing; restart from the cut into `k`; undo and
        redo the last `n`.
        """
        body: dict[str, Any] = {"op": op, "cluster": cluster, "clusters": clusters or [], "to": to}
        body |= {"name": name, "note": note, "mark": mark, "locked": locked, "parts": parts}
        body |= {"k": k, "n": n, "author": author}
        if op == "move":
            body["set"] = _set(explorer, None, rows or [], None)
        if op == "apart":
            if len(clusters or []) != 2:
                raise InputError(f"apart is said of two clusters; got {clusters}")
            body["a"], body["b"] = clusters or []
        return _send(explorer, editing.edit, body)

    return edit


def _get(explorer: Explorer, answer: Callable[..., Any], **query: Any) -> Any:
    """Ask as the page does."""
    given = {name: str(value) for name, value in query.items() if value is not None}
    found: dict[str, Any] | Response = answer(explorer, Params(given))
    return found


def _send(
    explorer: Explorer, answer: Callable[..., Any], body: dict[str, Any], k: int | None = None
) -> Any:
    """Send a body as the page does."""
    query = {} if k is None else {"k": str(k)}
    return answer(explorer, Params(query, json.dumps(body).encode()))


def _set(
    explorer: Explorer, cluster: int | None, rows: list[int] | None, k: int | None
) -> str | None:
    """Name the rows of a cluster, or some rows; None for all."""
    if cluster is None and rows is None:
        return None
    spec = {"rows": rows} if rows is not None else {"clusters": [cluster]}
    found = _send(explorer, views.choose, spec, k)
    if not found["rows"]:
        what = "these rows" if cluster is None else f"cluster {cluster}"
        raise InputError(f"there is nothing in {what}: see clusters")
    return str(found["set"])


def _in_words(tool: Callable[..., Any]) -> Callable[..., Any]:
    """Let a tool say what is wrong in a sentence."""

    @functools.wraps(tool)
    def told(*args: Any, **kwargs: Any) -> Any:
        try:
            return tool(*args, **kwargs)
        except (ShoalError, GoneError) as error:
            raise ToolError(str(error)) from error

    return told
