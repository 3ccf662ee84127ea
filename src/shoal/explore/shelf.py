"""Several runs at one address: a list of those in a folder, each explored when it is chosen."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from shoal import api
from shoal.core.plural import plural
from shoal.errors import InputError, ShoalError
from shoal.explore.atlas import Kept
from shoal.explore.events import Events
from shoal.explore.guard import App, Receive, Scope, Send
from shoal.explore.page import make_explorer
from shoal.explore.pictures import SIDES, open_pictures
from shoal.explore.prepare import Drawing, QuickDrawing
from shoal.explore.responses import refusal
from shoal.explore.serve import make_app, page_file, static_files

_FACES = 10
_MOST_OPEN = 12  # explorers in memory: more are opened by a person one after the other, if at all


def runs_in(folder: Path) -> list[Path]:
    """Return the run folders that lie in a folder, by name; none where it is a run itself."""
    if (folder / "run.toml").exists() or not folder.is_dir():
        return []
    return sorted(path.parent for path in folder.glob("*/run.toml"))


@dataclass
class Shelf:
    """An app that lists runs, and explores each of them under its own address.

    Parameters
    ----------
    folder : Path
        Where the runs lie.
    read_only : bool
        Refuse edits.
    engine : sequence of str
        Name and options of the engine that places rows on maps.
    """

    folder: Path
    read_only: bool = False
    engine: Sequence[str] = ("local",)
    stopping: bool = False
    _apps: dict[str, tuple[App, Events, Drawing | QuickDrawing | None]] = field(
        default_factory=dict
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _kept: Kept = field(default_factory=lambda: Kept(200))

    def __setattr__(self, name: str, value: Any) -> None:
        """End the open streams of all runs when it stops."""
        super().__setattr__(name, value)
        if name == "stopping" and value:
            for _, events, _ in self._apps.values():
                events.stopping = True

    def close(self) -> None:
        """End the drawing of maps."""
        for _, _, drawing in self._apps.values():
            if drawing is not None:
                drawing.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: for the list, or for one of the runs."""
        parts = str(scope["path"]).split("/", 3)
        if len(parts) == 3 and parts[1] == "runs" and parts[2]:
            await RedirectResponse(f"{scope['path']}/")(scope, receive, send)
        elif len(parts) == 4 and parts[1] == "runs":
            app = await run_in_threadpool(self._opened, parts[2])
            inner = {**scope, "path": f"/{parts[3]}", "raw_path": f"/{parts[3]}".encode()}
            await app(inner, receive, send)
        else:
            await (await run_in_threadpool(self._answer, parts))(scope, receive, send)

    def _answer(self, parts: list[str]) -> Response:
        if parts == ["", ""]:
            return Response(self._page(), media_type="text/html; charset=utf-8")
        if parts[1] == "static":
            return page_file(self._static, "/".join(parts[2:]))
        if parts[1] == "faces" and len(parts) == 3:
            faces = self._facts(parts[2]).get("faces")
            return Response(faces[0], media_type=faces[1]) if faces else _missing()
        return _missing()

    @cached_property
    def _static(self) -> dict[str, bytes]:
        return static_files()

    def _opened(self, name: str) -> App:
        """Return the app that explores a run, made when it is first asked for."""
        path = self._path(name)
        if path is None:
            return _missing()
        with self._lock:
            if name not in self._apps:
                if len(self._apps) >= _MOST_OPEN:
                    return refusal(503, "busy", f"{_MOST_OPEN} runs are open: explore it alone")
                try:
                    made, drawing = make_explorer(
                        api.open(path), self.read_only, engine=self.engine
                    )
                except ShoalError as error:
                    return refusal(503, "run", str(error))
                events = Events(made)
                self._apps[name] = make_app(made, events), events, drawing
            return self._apps[name][0]

    def _path(self, name: str) -> Path | None:
        """Return the folder of a run of the list, None for another name."""
        found = {path.name: path for path in runs_in(self.folder)}
        return found.get(unquote(name))

    def _facts(self, name: str) -> dict[str, Any]:
        """Return what the list shows of a run."""
        path = self._path(name)
        if path is None:
            return {}
        stamp = (path / "run.toml").stat().st_mtime_ns
        return self._kept.get((path, stamp), lambda: _facts(path))

    def _page(self) -> str:
        runs = runs_in(self.folder)
        cards = "".join(_card(path.name, self._facts(path.name)) for path in runs)
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(self.folder.resolve().name)} – Shoal</title>"
            '<link rel="icon" href="/static/icon.svg" type="image/svg+xml">'
            '<link rel="stylesheet" href="/static/style.css"></head><body class="shelf"><header>'
            '<img src="/static/icon.svg" alt="" width="28" height="28">'
            f"<h1>{plural(len(runs), 'run')} in {escape(str(self.folder))}</h1></header>"
            f"<main>{cards}</main></body></html>"
        )


def _missing() -> Response:
    return refusal(404, "missing", "there is nothing here")


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


def open_shelf(folder: Path, read_only: bool, engine: Sequence[str]) -> Shelf:
    """Make the list of the runs in a folder.

    Raises
    ------
    InputError
        When there is none.
    """
    if not runs_in(folder):
        raise InputError(f"{folder} holds no runs: give a run, or a folder with runs in it")
    return Shelf(folder, read_only, engine)
