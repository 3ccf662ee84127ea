"""The explorer's page in Chromium: how long a person waits, measured in the page itself."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_WAIT = 120_000
_PAUSE = 700  # ms: a person looks before the next click
_MOVES = 240  # of the mouse in a drag: some four seconds
_COUNT_FRAMES = """() => {
    const frames = [];
    let last = performance.now();
    let on = true;
    const next = (now) => {
        frames.push(now - last);
        last = now;
        if (on) requestAnimationFrame(next);
    };
    requestAnimationFrame((now) => { last = now; requestAnimationFrame(next); });
    window.stopped = () => { on = false; return frames; };
}"""
_SCRIPT = """
performance.setResourceTimingBufferSize(1e6);
const here = (box) => box.width > 0 && box.bottom > 0 && box.right > 0
    && box.top < innerHeight && box.left < innerWidth;
const arrived = new Set();
const loaded = (url) => {
    if (!arrived.has(url) && performance.getEntriesByName(new URL(url, location.href).href).length)
        arrived.add(url);
    return arrived.has(url);
};
const strips = () => new Set([...document.querySelectorAll(".thumb")]
    .filter((thumb) => thumb.style.backgroundImage && here(thumb.getBoundingClientRect()))
    .map((thumb) => /url\\("(.*)"\\)/.exec(thumb.style.backgroundImage)[1]));
window.shown = (map) => document.querySelector(".card, .branch") !== null
    && document.querySelector("[aria-busy=true], .gallery .waiting") === null
    && [...document.images].every((image) => image.complete || !map && image.closest(".map-box"))
    && [...strips()].every(loaded);
const frame = () => new Promise(requestAnimationFrame);
window.timed = async (act, holds) => {
    await frame();
    const began = performance.now();
    act();
    do await frame(); while (!(holds() && shown(true)) && performance.now() - began < 60000);
    return performance.now() - began;
};
(async () => {
    while (!shown(false) || !document.querySelector(".gallery .thumb")) await frame();
    window.firstPaint = performance.now();
})();
(async () => {
    while (!document.querySelector(".tiles-drawn .leaflet-tile-loaded")) await frame();
    await frame();
    window.firstMap = performance.now();
})();
"""

_KEY = """(key) => (document.activeElement ?? document.body).dispatchEvent(
    new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}))"""
_ACTIONS = {
    "select a cluster": (
        """() => {
            target = [...document.querySelectorAll(".card:not(.on)")][at % 5];
            target.click();
        }""",
        """() => target.classList.contains("on") && document.querySelector(".gallery h2").innerText
            === target.querySelector(".name").innerText && document.querySelector(".mean")""",
    ),
    "order by confidence": ("() => tab('Unsure').click()", "() => chosen('Unsure')"),
    "order by chance": ("() => tab('Random').click()", "() => chosen('Random')"),
    "open an image": (
        "() => document.querySelectorAll('.grid .cell')[at].click()",
        "() => document.querySelector('.detail img') && document.querySelector('.facts-of')",
    ),
    "select two": (
        """() => {
            const click = {bubbles: true, ctrlKey: true};
            target = document.querySelector(".card:not(.on)");
            target.dispatchEvent(new MouseEvent("click", click));
        }""",
        "() => document.querySelectorAll('.card.on').length === 2 && button('Merge 2')",
    ),
    "ask for a merge": (
        "() => button('Merge 2').click()",
        "() => document.querySelector('dialog button.main')",
    ),
    "merge": (
        "() => { before = told(); document.querySelector('dialog button.main').click(); }",
        "() => told() > before",
    ),
    "undo the merge": (
        "() => { before = told(); button('Undo').click(); }",
        "() => told() > before",
    ),
    "mark as good": (
        "() => { before = told(); button('Good').click(); }",
        "() => told() > before",
    ),
    "undo": ("() => { before = told(); button('Undo').click(); }", "() => told() > before"),
    "open the review queue": (
        "() => key('w')",
        "() => document.querySelector('.review .question, .review div.empty')",
    ),
    "close all, show all": (
        "() => { key('Escape'); key('Escape'); key('Escape'); }",
        "() => document.querySelector('.gallery h2').innerText.startsWith('All')",
    ),
    "one cluster more": (
        "() => { before = number(); key(']'); }",
        "() => number() === before + 1",
    ),
    "one cluster less": (
        "() => { before = number(); key('['); }",
        "() => number() === before - 1",
    ),
}
"""What a person does, and what tells that it is done; `at` counts the rounds."""


@contextmanager
def _browser() -> Iterator[Any]:
    """Start Chromium."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
    if path is None:
        raise RuntimeError("there is no Chromium: on Debian, apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@contextmanager
def _page(url: str) -> Iterator[Any]:
    """Open the page with nothing kept from before."""
    with _browser() as browser:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.set_default_timeout(_WAIT)
        page = context.new_page()
        page.add_init_script(_SCRIPT)
        page.goto(url)
        yield page
        context.close()


def first_paint(url: str, what: str = "firstPaint") -> float:
    """Return the ms from the address to clusters and pictures on the screen, in a new browser.

    With ``what="firstMap"``, to the map's first tile.
    """
    with _page(url) as page:
        return _painted(page, what)


def _painted(page: Any, what: str = "firstPaint") -> float:
    """Wait for the first useful paint, or for the map."""
    while not (found := page.evaluate(f"window.{what} ?? 0")):
        page.wait_for_timeout(20)
    return float(found)


def clicks(url: str, rounds: int) -> dict[str, list[float]]:
    """Do all that people do again and again; give the ms until each is done, by what it was."""
    found: dict[str, list[float]] = {name: [] for name in _ACTIONS}
    with _page(url) as page:
        _painted(page)
        page.evaluate(f"() => {{ {_HELPERS} }}")
        for at in range(rounds):
            for name in _ACTIONS:
                found[name].append(_timed(page, name, at))
                page.wait_for_timeout(_PAUSE)
    return found


def drags(url: str) -> dict[str, list[float]]:
    """Drag the map about, as a whole and among pictures; give the ms of each frame meanwhile."""
    found = {}
    with _page(url) as page:
        _painted(page, "firstMap")
        box = page.locator(".map-box").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for what, closer in (("the map", 0), ("its pictures", 4)):
            page.mouse.move(x, y)
            for _ in range(closer):
                page.get_by_role("button", name="Zoom in").click()
                page.wait_for_timeout(_PAUSE)
            page.wait_for_timeout(2 * _PAUSE)
            page.mouse.move(x, y)
            page.mouse.down()
            page.evaluate(_COUNT_FRAMES)
            for at in range(_MOVES):
                turn = at * math.tau / _MOVES * 3
                page.mouse.move(x + 150 * math.sin(turn), y + 100 * math.sin(turn / 2))
            found[what] = page.evaluate("stopped()")
            page.mouse.up()
    return found


def _timed(page: Any, name: str, at: int) -> float:
    """Do one thing in the page; give the ms until it is done."""
    act, holds = _ACTIONS[name]
    taken = page.evaluate(f"(n) => {{ at = n; return timed({act}, {holds}); }}", at)
    if taken >= 60_000:
        raise RuntimeError(f"{name}: nothing came of it in a minute")
    return float(taken)


_HELPERS = f"""
window.at = 0; window.before = null; window.target = null;
window.key = {_KEY};
const named = (kind) => (text) =>
    [...document.querySelectorAll(kind)].find((element) => element.innerText.trim() === text);
window.tab = named("[role=tab]");
window.chosen = (text) => tab(text)?.ariaSelected === "true";
window.button = named("button");
window.told = () => Number(document.querySelector("[role=log] li:last-child")?.dataset.n ?? 0);
window.number = () => Number(document.querySelector(".k-field input").value);
"""
