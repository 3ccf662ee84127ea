"""A run for an assistant: the requests of the page as tools of the Model Context Protocol."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

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
_LISTED = ("id", "called", "rows", "outliers", "separation", "mixed_at", "mark", "note", "locked")


def make_mcp(explorer: Explorer, author: str) -> MCPServer[Any]:
    """Return a server whose tools read a run and edit it; edits are signed by `author`."""
    server: MCPServer[Any] = MCPServer("shoal", instructions=_ABOUT, log_level="WARNING")
    tools = Tools(explorer, author)
    for name in READING if explorer.read_only else (*READING, "edit"):
        server.add_tool(_with_tool_errors(getattr(tools, name)), structured_output=False)
    return server


@dataclass(frozen=True)
class Tools:
    """The tools of a run; an assistant reads their docstrings."""

    explorer: Explorer
    author: str

    def run(self) -> dict[str, Any]:
        """Describe the run: rows, marked cuts (layers), advice, columns of a table."""
        found = self._get(views.run_facts)
        left_out = ("palette", "excess", "thumb", "version", "orders")
        return {name: value for name, value in found.items() if name not in left_out}

    def clusters(self, k: int | None = None) -> list[dict[str, Any]]:
        """List the clusters of a cut: what they are `called`, their rows, marks.

        `separation` is how separate a cluster is (1: no ties to others); one with `mixed_at` may be
        several things, which come apart at that k.
        """
        found = self._get(views.clusters, k=k)["clusters"]
        return [{name: c[name] for name in _LISTED if c.get(name) is not None} for c in found]

    def names(self, k: int | None = None) -> dict[str, Any]:
        """Suggest a name for each cluster, by its folder or telling columns."""
        return self._get(judging.suggestions, k=k)["names"]

    def sheet(
        self,
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
        name = self._set(cluster, rows, k)
        listed = self._get(views.rows, k=k, set=name, order=order, count=count)["rows"]
        data = exporting.sheet(self.explorer, [row["row"] for row in listed])
        return [Image(data=data, format="png"), json.dumps(listed)]

    def list_rows(
        self,
        cluster: int | None = None,
        order: Order = "typical",
        start: int = 0,
        count: int = 50,
        k: int | None = None,
    ) -> dict[str, Any]:
        """List rows of a cluster (or of all) with name, confidence and whether they lie far out."""
        name = self._set(cluster, None, k)
        return self._get(views.rows, k=k, set=name, order=order, start=start, count=count)

    def row(self, row: int, k: int | None = None) -> dict[str, Any]:
        """Describe one row: its cluster, the clusters it lies between, the rows most like it."""
        return self._get(views.row, row=row, k=k)

    def image(self, row: int) -> Image:
        """Show one image at full size."""
        response = self._get(views.image, row=row)
        return Image(data=response.body, format=response.media_type.removeprefix("image/"))

    def values(self, rows: list[int]) -> dict[str, Any]:
        """Return the cells of up to 100 rows of a table or of vectors, and the mean of all rows."""
        found = self._get(views.values, rows=",".join(map(str, rows)))
        shown = {row: facts["shown"] for row, facts in found["rows"].items()}
        return {
            "columns": self._get(views.run_facts)["columns"],
            "rows": shown,
            "mean": found["mean"],
        }

    def review(self, count: int = 10) -> list[dict[str, Any]]:
        """List what is most worth deciding: merges, splits, unsure rows, each with its chance."""
        return self._get(judging.review)["questions"][: max(count, 1)]

    def compare(self, before: int, after: int | None = None) -> dict[str, Any]:
        """Return what the clusters of the cut into `before` become in another, or as edited."""
        return self._get(
            judging.compared, before=before, after="edited" if after is None else after
        )

    def preview(
        self,
        op: Literal["merge", "split"],
        clusters: list[int] | None = None,
        cluster: int | None = None,
        parts: int | None = None,
    ) -> dict[str, Any]:
        """Return what would come of merging `clusters` or splitting a `cluster`, and do nothing."""
        body = {"op": op, "clusters": clusters or [], "cluster": cluster, "parts": parts}
        return self._post(editing.preview, body)

    def history(self) -> dict[str, Any]:
        """List the edits made so far, by whom, and what can be undone."""
        return self._get(editing.history)

    def edit(
        self,
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
        body |= {"k": k, "n": n, "author": self.author}
        if op == "move":
            body["set"] = self._set(None, rows or [], None)
        if op == "apart":
            if len(clusters or []) != 2:
                raise InputError(f"apart needs two clusters; got {clusters}")
            body["a"], body["b"] = clusters or []
        return self._post(editing.edit, body)

    def _get(self, answer: Callable[..., Any], **query: Any) -> Any:
        given = {name: str(value) for name, value in query.items() if value is not None}
        return answer(self.explorer, Params(given))

    def _post(self, answer: Callable[..., Any], body: dict[str, Any], k: int | None = None) -> Any:
        query = {} if k is None else {"k": str(k)}
        return answer(self.explorer, Params(query, json.dumps(body).encode()))

    def _set(self, cluster: int | None, rows: list[int] | None, k: int | None) -> str | None:
        """Return the name of a set of rows: of a cluster, or those given; None for all."""
        if cluster is None and rows is None:
            return None
        spec = {"rows": rows} if rows is not None else {"clusters": [cluster]}
        found = self._post(views.choose, spec, k)
        if not found["rows"]:
            what = "these rows" if cluster is None else f"cluster {cluster}"
            raise InputError(f"there is nothing in {what}: see clusters")
        return str(found["set"])


READING = tuple(name for name in vars(Tools) if not name.startswith("_") and name != "edit")


def _with_tool_errors(tool: Callable[..., Any]) -> Callable[..., Any]:
    """Return a tool whose expected errors reach the assistant as a message."""

    @functools.wraps(tool)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return tool(*args, **kwargs)
        except (ShoalError, GoneError) as error:
            raise ToolError(str(error)) from error

    return wrapped
