"""The page in a real browser, served by a real process: what a person does, and what they see."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield started
        started.close()


@contextmanager
def serving(run, *words):
    """The explorer as a process; its address."""
    command = [sys.executable, "-m", "shoal.cli", "explore", str(run), "--no-open", *words]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield re.search(r"is at (http://\S+)", process.stdout.readline())[1]
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture
def served(digits_path, tmp_path):
    """A copy of the digits, served."""
    shutil.copytree(digits_path, tmp_path / "digits.shoal")
    with serving(tmp_path / "digits.shoal") as url:
        yield url


@pytest.fixture
def open_page(browser):
    """Open pages; a fault in any of them fails the test."""
    contexts, faults = [], []

    def opened(url, width=1440, height=900, **more):
        context = browser.new_context(
            viewport={"width": width, "height": height}, accept_downloads=True, **more
        )
        context.set_default_timeout(120_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
        page.goto(url)
        page.wait_for_selector(".card, .branch", state="attached")
        return page

    opened.faults = faults
    yield opened
    for context in contexts:
        context.close()
    assert faults == []


def shot(page, name):
    """Keep a picture of the page, to be looked at."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


def sizes(page):
    """Rows by cluster id, as the server says now."""
    return page.evaluate(
        """async () => Object.fromEntries(
            (await (await fetch("/api/clusters")).json()).clusters.map((c) => [c.id, c.rows]))"""
    )


def until(page, expression):
    """Ask the page again and again (its policy forbids what Playwright would do)."""
    end = time.monotonic() + 120
    while not (found := page.evaluate(expression)):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(50)
    return found


def settled(page):
    """Wait until the message of an edit is seen, and close it."""
    text = until(page, "document.querySelector('.toast span')?.innerText")
    page.evaluate("document.querySelector('.toast [aria-label=Dismiss]')?.click()")
    page.wait_for_selector(".toast", state="detached")
    return text


def test_a_person_looks_corrects_names_undoes_and_takes_the_result_away(served, open_page):
    page = open_page(served)
    page.wait_for_selector(".leaflet-ground-pane img.leaflet-tile-loaded")
    before = sizes(page)
    shot(page, "overview")

    # Another number of clusters, at once.
    page.get_by_role("slider", name="Number of clusters").fill("2")
    until(page, "document.querySelectorAll('.card').length === 3")
    shot(page, "three clusters")
    page.get_by_text(re.compile(r"^back to")).click()
    until(page, f"document.querySelectorAll('.card').length === {len(before)}")

    # A part of the map, drawn by hand.
    page.get_by_role("button", name="Box").click()
    box = page.locator(".map-box").bounding_box()
    page.mouse.move(box["x"] + 30, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.6, steps=8)
    page.mouse.up()
    page.wait_for_selector("h2:has-text('Area of the map') ~ .soft")
    page.wait_for_selector(".grid .cell .thumb")
    area = int(page.inner_text(".title-line .soft").split()[0].replace(",", ""))
    assert 0 < area < 600
    shot(page, "area")
    page.keyboard.press("Escape")

    # Merge two.
    page.locator("#cluster-0").click()
    page.locator("#cluster-1").click(modifiers=["Control"])
    page.keyboard.press("g")
    page.wait_for_selector("dialog")
    assert "→ Cluster 0" in page.inner_text("dialog")
    shot(page, "merge")
    page.keyboard.press("Enter")
    assert settled(page) == "Merge 0, 1 into 0."
    merged = sizes(page)
    assert merged["0"] == before["0"] + before["1"]
    assert "1" not in merged

    # Split it again, in three.
    page.keyboard.press("k")
    page.wait_for_selector(".parts li")
    page.fill("dialog input[type=number]", "3")
    until(page, "document.querySelectorAll('.parts li').length === 3")
    page.keyboard.press("Enter")
    assert settled(page).startswith("Split 0 into")
    assert len(sizes(page)) == len(merged) + 2

    # Name one; the same name again asks, and merges nothing by itself.
    page.locator("#cluster-0").click()
    page.keyboard.press("l")
    page.fill("dialog input", "zeros")
    page.keyboard.press("Enter")
    assert settled(page) == "Rename 0 “zeros”."
    page.locator("#cluster-2").click()
    page.keyboard.press("l")
    page.fill("dialog input", "Zeros")
    assert "Nothing is merged without asking" in page.inner_text("dialog")
    count = len(sizes(page))
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog h2:has-text('Merge clusters')")
    page.keyboard.press("Escape")
    assert len(sizes(page)) == count

    # Take it all back.
    for _ in range(3):
        page.keyboard.press("Control+z")
        settled(page)
    assert sizes(page) == before
    page.keyboard.press("Control+y")
    settled(page)
    assert sizes(page) == merged

    # And away with it.
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export", exact=True).last.click()
    lines = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert len(lines) == 600
    assert sum(line["cluster"] == "0" for line in lines) == merged["0"]
    shot(page, "edited")


def test_all_of_it_works_by_the_keyboard_alone(served, open_page):
    page = open_page(served)
    before = sizes(page)
    page.keyboard.press("Space")  # the first cluster
    page.wait_for_selector(".card.on")
    first = page.get_attribute(".card.on", "id")
    page.keyboard.press("Space")
    until(page, f"document.querySelector('.card.on')?.id !== '{first}'")
    page.keyboard.press("]")
    until(page, f"document.querySelectorAll('.card').length > {len(before)}")
    page.keyboard.press("[")
    until(page, f"document.querySelectorAll('.card').length === {len(before)}")

    page.focus(".cards")
    page.keyboard.press("Home")
    page.wait_for_selector("h2:has-text('Cluster 0')")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("h2:has-text('Cluster 1')")

    page.focus(".grid")
    page.wait_for_selector(".grid .cell .thumb")
    page.keyboard.press("x")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    page.keyboard.press("Shift+ArrowRight")
    page.wait_for_selector("text=3 images selected")
    page.keyboard.press("m")
    page.wait_for_selector("dialog")
    page.keyboard.type("odd ones")
    page.keyboard.press("Enter")
    assert "“odd ones”" in settled(page)
    after = sizes(page)
    assert after["1"] == before["1"] - 3
    assert sum(after.values()) == 600

    page.focus(".grid")
    page.wait_for_selector(".grid .cell .thumb")
    page.keyboard.press("Enter")
    page.wait_for_selector(".detail img")
    title = page.inner_text(".detail h2")
    page.keyboard.press("ArrowRight")
    until(page, f"document.querySelector('.detail h2')?.innerText !== '{title}'")
    shot(page, "detail")
    page.keyboard.press("Escape")
    page.wait_for_selector(".detail", state="detached")
    page.keyboard.press("?")
    page.wait_for_selector("aside h2:has-text('Help')")
    page.keyboard.press("Escape")
    page.keyboard.press("h")
    page.wait_for_selector(".log li")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+a")
    page.wait_for_selector("text=images selected")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+z")
    settled(page)
    assert sizes(page) == before


STATES = {
    "start": "",
    "cluster": "c=1",
    "image": "c=1&i=7",
    "plain cut": "k=4&o=boundary",
    "map near": "m=3_0.5_0.5&c=2",
}


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anyone_out(served, open_page, scheme):
    page = open_page(served, color_scheme=scheme)
    for name, where in STATES.items():
        page.goto(f"{served}#{where}")
        page.reload()
        page.wait_for_selector(".card")
        page.wait_for_timeout(500)
        shot(page, f"{name}-{scheme}")
        assert faults_of(page) == [], name
    page.goto(f"{served}#c=1")
    page.reload()
    page.wait_for_selector(".card.on")
    for key, selector in (
        ("w", "aside .question, aside .empty"),
        ("c", "aside .changes, aside p b"),
        ("h", "aside .empty, aside .log"),
        ("?", "aside dl"),
    ):
        page.keyboard.press(key)
        page.wait_for_selector(selector)
        assert faults_of(page) == [], key
        page.keyboard.press("Escape")
        page.wait_for_selector("aside", state="detached")
    for key in ("k", "l", "n", "q", "e"):
        page.keyboard.press(key)
        page.wait_for_selector("dialog")
        page.wait_for_timeout(300)
        assert faults_of(page) == [], key
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")
    page.get_by_role("button", name="Tree").click()
    page.wait_for_selector(".branch")
    assert faults_of(page) == []


def test_a_narrow_screen_shows_one_part_at_a_time(served, open_page):
    page = open_page(served, width=400, height=800)
    for name in ("Clusters", "Images", "Map"):
        page.get_by_role("navigation").get_by_role("button", name=name).click()
        page.wait_for_timeout(600)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 400, name
        shot(page, f"narrow-{name.lower()}")
        assert faults_of(page) == [], name
    assert page.locator(".map-box").is_visible()
    assert not page.locator(".clusters").is_visible()


def test_a_second_browser_sees_edits_and_is_told_of_conflicts(served, open_page):
    one, two = open_page(served), open_page(served)
    one.locator("#cluster-0").click()
    one.keyboard.press("l")
    one.fill("dialog input", "seen by both")
    two.locator("#cluster-0").click()
    two.keyboard.press("l")
    two.wait_for_selector("dialog")
    one.keyboard.press("Enter")
    two.wait_for_selector(".card .name:has-text('seen by both')")
    assert settled(one)
    # What the second one began before is about another state by now.
    two.evaluate("() => fetch('/api/edits', {method: 'POST', headers: {'x-shoal': '1'}, "
                 "body: JSON.stringify({op: 'note', cluster: 0, note: 'x'})})")  # fmt: skip
    stale = two.evaluate(
        """() => fetch('/api/edits', {method: 'POST', headers: {'x-shoal': '1'}, body:
        JSON.stringify({op: 'rename', cluster: 0, name: 'mine', seen: 0})}).then(
        async (a) => [a.status, await a.json()])"""
    )
    assert stale[0] == 409
    assert "cluster 0" in stale[1]["error"]["message"]
    # The browser's console notes the refusal itself: that is no fault of the page.
    open_page.faults[:] = [f for f in open_page.faults if "409" not in f]


def test_the_address_restores_the_view(served, open_page):
    page = open_page(f"{served}#k=5&c=2&o=boundary&s=80")
    page.wait_for_selector("h2:has-text('Cluster 2')")
    assert page.get_attribute("[role=tab]:has-text('Boundary')", "aria-selected") == "true"
    page.locator("#cluster-3").click()
    page.wait_for_selector("h2:has-text('Cluster 3')")
    page.get_by_role("tab", name="Random").click()
    until(page, "location.hash.includes('c=3') && location.hash.includes('o=random')")
    again = open_page(page.url)
    again.wait_for_selector("h2:has-text('Cluster 3')")
    assert again.get_attribute("[role=tab]:has-text('Random')", "aria-selected") == "true"
    odd = open_page(f"{served}#k=99999999&c=-1.x.7e9&o=none&s=1e9&i=-4&m=x_y&a=1.2.3&t=zzz")
    odd.wait_for_selector("h2:has-text('All 600 images')")


def test_names_are_shown_as_they_are_and_never_run(served, open_page):
    page = open_page(served)
    evil = "<img src=x onerror=alert(1)>\"'</script><script>alert(2)</script>&amp;"
    page.evaluate(
        """(name) => fetch('/api/edits', {method: 'POST', headers: {'x-shoal': '1'}, body:
        JSON.stringify({op: 'rename', cluster: 0, name})}).then((a) => a.json())""",
        evil,
    )
    page.wait_for_selector(".card .name:has-text('onerror')")
    assert evil in page.inner_text("#cluster-0 .name")
    page.locator("#cluster-0").click()
    page.wait_for_selector("h2:has-text('onerror')")
    page.keyboard.press("h")
    page.wait_for_selector(".log li")
    assert page.locator("img[src=x]").count() == 0


def test_a_reader_is_offered_no_edits(digits_path, tmp_path, open_page):
    shutil.copytree(digits_path, tmp_path / "digits.shoal")
    with serving(tmp_path / "digits.shoal", "--read-only") as url:
        page = open_page(url)
        page.locator("#cluster-0").click()
        page.wait_for_selector("h2:has-text('Cluster 0')")
        page.keyboard.press("l")
        page.keyboard.press("k")
        page.wait_for_timeout(300)
        assert page.locator("dialog").count() == 0
        assert page.locator(".actions").count() == 0
        assert page.locator(".tag:has-text('read-only')").count() == 1


def test_vectors_are_shown_by_their_numbers(vectors_path, tmp_path, open_page):
    shutil.copytree(vectors_path, tmp_path / "vectors.shoal")
    with serving(tmp_path / "vectors.shoal") as url:
        page = open_page(f"{url}#c=0")
        page.wait_for_selector(".grid .cell .profile path:not(.axis)")
        page.locator(".grid .cell").first.click()
        page.wait_for_selector(".detail .between")
        shot(page, "vectors")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="2 unreadable").click()
        page.wait_for_selector("aside .log li")
        assert "not a finite number" in page.inner_text("aside .log")


def test_a_server_that_went_away_is_said(digits_path, tmp_path, open_page):
    shutil.copytree(digits_path, tmp_path / "digits.shoal")
    with serving(tmp_path / "digits.shoal") as url:
        page = open_page(url)
    page.wait_for_selector("text=The server does not answer")
    page.locator("#cluster-0").click()
    page.wait_for_selector(".toast.bad")
    open_page.faults[:] = [f for f in open_page.faults if "ERR_" not in f]
    assert json.dumps(open_page.faults) == "[]"
