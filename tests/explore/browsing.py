"""What the tests in a real browser share: a server as a process, and how a page is waited for."""

import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
PATIENCE = 120  # seconds: a loaded machine is slow, and nothing here measures speed
SHOTS = Path(__file__).parents[2] / "build" / "screenshots"


@contextmanager
def serving(run, *words, program="shoal"):
    """The explorer as a process; its address."""
    command = [sys.executable, "-m", program, "explore", str(run), "--no-open", *words]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    how = {"text": True, "env": environment, "cwd": Path(__file__).parents[2]}
    with subprocess.Popen(command, stdout=subprocess.PIPE, **how) as process:
        try:
            lines = []
            for line in process.stdout:
                lines.append(line)
                if found := re.search(r"is at (http://\S+)", line):
                    break
            else:
                raise AssertionError(f"the server told no address: {''.join(lines)}")
            yield found[1]
        finally:
            process.terminate()
            process.wait(PATIENCE)


def shot(page, name):
    """Keep a picture of the page, to be looked at."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def draw_box(page):
    """Outline a part of the map by hand."""
    page.get_by_role("button", name="Box").click()
    box = page.locator(".map-box").bounding_box()
    page.mouse.move(box["x"] + 30, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.6, steps=8)
    page.mouse.up()


def sizes(page):
    """Rows by cluster id, as the server says now."""
    return page.evaluate(
        """async () => Object.fromEntries(
            (await (await fetch("/api/clusters")).json()).clusters.map((c) => [c.id, c.rows]))"""
    )


def until(page, expression):
    """Ask the page again and again (its policy forbids what Playwright would do)."""
    end = time.monotonic() + PATIENCE
    while not (found := page.evaluate(expression)):
        assert time.monotonic() < end, f"{expression}; the page says {messages(page)}"
        page.wait_for_timeout(50)
    return found


def messages(page):
    """All that the page has told, the last one last."""
    return page.locator("[role=log] li").all_text_contents()


def told(page):
    """Give the next message that was not read yet: it is in the log when its toast is gone."""
    return until(
        page,
        """(() => {
            const log = document.querySelector("[role=log]");
            const read = Number(log?.dataset.read ?? 0);
            const all = [...(log?.querySelectorAll("li") ?? [])];
            const next = all.find((m) => Number(m.dataset.n) > read);
            if (next) log.dataset.read = next.dataset.n;
            return next?.textContent;
        })()""",
    )


def ready(page):
    """Wait until nothing that is on the page is still being loaded."""
    until(
        page,
        """document.querySelector(".card, .leaf") !== null
        && document.querySelector("[aria-busy=true], .waiting") === null
        && [...document.images].every((image) => image.complete)""",
    )


def faults_of(page):
    """What axe-core finds that is serious, with where it is."""
    import axe_core_python

    source = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    page.evaluate(f"() => {{ {source} }}")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        (fault["id"], fault["impact"], [node["html"][:150] for node in fault["nodes"][:3]])
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
    ]


SLOW_ANSWERS = """
const asked = window.fetch;
const slow = %s;
window.fetch = async (url, how) => {
    const name = `${how?.method ?? "GET"} ${String(url).replace(/^.*\\/api\\//, "").split("?")[0]}`;
    const wait = slow[name] ?? 0;
    const pause = (ms) => new Promise((done) => setTimeout(done, ms));
    if (how?.method === "POST") {
        const answer = await asked(url, how);
        await pause(wait);
        return answer;
    }
    await pause(wait);
    return asked(url, how);
};
"""
"""Makes answers late, by request in ms: those to POST after the fact, those to GET before it."""
