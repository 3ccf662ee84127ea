"""Several runs at one address: a list of those in a folder, each explored when it is chosen."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route

from shoal import api
from shoal.core.plural import plural
from shoal.errors import InputError, ShoalError
from shoal.explore.atlas import Cache
from shoal.explore.drawing import ChildProcess, DrawingThread
from shoal.explore.guard import App, Receive, Scope, Send
from shoal.explore.page import make_explorer
from shoal.explore.pictures import SIDES, open_pictures
from shoal.explore.responses import refusal
from shoal.explore.serve import make_app, missing, page_file, static_files, stoppable

_FACES = 10
_MOST_OPEN = 12  # explorers in memory: more are opened by a person one after the other, if at all


def runs_in(folder: Path) -> list[Path]:
    """Return the run folders that lie in a folder, by name; none where it is a run itself."""
    if (folder / "run.toml").exists() or not folder.is_dir():
        return []
    return sorted(path.parent for path in folder.glob("*/run.toml"))


class Shelf:
    """An app that lists the runs in a folder, and explores each of them under its own address."""

    def __init__(
        self, folder: Path, read_only: bool = False, engine: Sequence[str] = ("local",)
    ) -> None:
        if not runs_in(folder):
            raise InputError(f"{folder} holds no runs: give a run, or a folder with runs in it")
        self.folder, self._read_only, self._engine = folder, read_only, engine
        self._opened: dict[str, tuple[App, ChildProcess | DrawingThread | None]] = {}
        self._lock, self._listed, self._static = threading.Lock(), Cache(200), static_files()
        self.app = stoppable(
            [
                Route("/", self._page),
                Route("/static/{name:path}", self._file),
                Route("/faces/{name}", self._faces),
                Mount("/runs/{run}", self._explore),
            ]
        )

    def close(self) -> None:
        for _, drawing in self._opened.values():
            if drawing is not None:
                drawing.stop()

    def _file(self, request: Request) -> Response:
        return page_file(self._static, request.path_params["name"])

    def _faces(self, request: Request) -> Response:
        faces = self._facts(request.path_params["name"]).get("faces")
        return Response(faces[0], media_type=faces[1]) if faces else missing(request)

    async def _explore(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = await run_in_threadpool(self.open, scope["path_params"]["run"])
        await app(scope, receive, send)

    def open(self, name: str) -> App:
        """Return the app that explores a run, made on first use."""
        path = self._path(name)
        if path is None:
            return refusal(404, "missing", "there is nothing here")
        with self._lock:
            if name not in self._opened:
                if len(self._opened) >= _MOST_OPEN:
                    return refusal(503, "busy", f"{_MOST_OPEN} runs are open: explore it alone")
                try:
                    explorer, drawing = make_explorer(
                        api.open(path), self._read_only, engine=self._engine
                    )
                except ShoalError as error:
                    return refusal(503, "run", str(error))
                self._opened[name] = make_app(explorer, self.app.state), drawing
            return self._opened[name][0]

    def _path(self, name: str) -> Path | None:
        return {path.name: path for path in runs_in(self.folder)}.get(name)

    def _facts(self, name: str) -> dict[str, Any]:
        path = self._path(name)
        if path is None:
            return {}
        stamp = (path / "run.toml").stat().st_mtime_ns
        return self._listed.get((path, stamp), lambda: _facts(path))

    def _page(self, request: Request) -> Response:
        runs = runs_in(self.folder)
        cards = "".join(_card(path.name, self._facts(path.name)) for path in runs)
        return HTMLResponse(
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(self.folder.resolve().name)} – Shoal</title>"
            '<link rel="icon" href="/static/icon.svg" type="image/svg+xml">'
            '<link rel="stylesheet" href="/static/style.css"></head><body class="shelf"><header>'
            '<img src="/static/icon.svg" alt="" width="28" height="28">'
            f"<h1>{plural(len(runs), 'run')} in {escape(str(self.folder))}</h1></header>"
            f"<main>{cards}</main></body></html>"
        )


def _facts(path: Path) -> dict[str, Any]:
    """Read what the list shows of a run; a damaged or unfinished one says so."""
    try:
        run = api.open(path)
        facts: dict[str, Any] = {
            "about": run.info()["source"],
            "k": run.clustering().k,
            "summary": " ".join(run.advice.sentences),
            "edits": len(run.edits.done),
        }
    except ShoalError as error:
        return {"trouble": str(error)}
    try:
        pictures = open_pictures(run.source)
        if pictures is not None:
            rows = _faces(run)
            facts["faces"] = pictures.strip(rows, pictures.side if pictures.small else SIDES[0])
    except ShoalError as error:
        facts["trouble"] = str(error)
    return facts


def _faces(run: api.Run) -> list[int]:
    """Return the row in the middle of each of the largest clusters."""
    labels, kept = run.clustering().of_representative, run.representatives
    sizes = np.bincount(labels, run.counts)
    rows = []
    for cluster in np.argsort(-sizes, kind="stable")[:_FACES]:
        mine = np.flatnonzero(labels == cluster)
        if len(mine):
            vectors = kept.vectors[mine]
            middle = np.average(vectors, axis=0, weights=np.maximum(run.counts[mine], 1))
            rows.append(int(kept.rows[mine[((vectors - middle) ** 2).sum(axis=1).argmin()]]))
    return rows


def _card(name: str, facts: dict[str, Any]) -> str:
    title, address = escape(name.removesuffix(".shoal")), quote(name, safe="")
    trouble = facts.get("trouble")
    note = f'<p class="note bad">{escape(trouble)}</p>' if trouble else ""
    if "k" not in facts:
        return f"<article><h2>{title}</h2>{note}</article>"
    faces = f'<img class="faces" src="/faces/{address}" alt="">' if facts.get("faces") else ""
    edited = f"{plural(facts['k'], 'cluster')} after {plural(facts['edits'], 'edit')}"
    now = f"<b>{edited}.</b> The fit: " if facts["edits"] else ""
    return (
        f'<a href="/runs/{address}/"><article><h2>{title}</h2>'
        f'<p class="soft">{escape(facts["about"])}</p>{faces}'
        f"<p>{now}{escape(facts['summary'])}</p>{note}"
        "</article></a>"
    )
