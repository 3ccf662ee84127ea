"""The page in a real browser, served by a real process: what a person does, and what they see."""

import csv
import io
import json
import os
import re
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
from PIL import Image
from tests.explore.browsing import (
    CHROMIUM,
    PATIENCE,
    SLOW_ANSWERS,
    faults_of,
    messages,
    ready,
    serving,
    shot,
    sizes,
    told,
    until,
)

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


@pytest.fixture
def serve(tmp_path):
    """Serve copies of runs; they stop when the pages that look at them are closed."""
    with ExitStack() as stack:

        def served(path, *words):
            shutil.copytree(path, tmp_path / path.name)
            return stack.enter_context(serving(tmp_path / path.name, *words))

        served.stop = stack.close
        yield served


@pytest.fixture
def served(serve, digits_path):
    """A copy of the digits, served."""
    return serve(digits_path)


@pytest.fixture
def open_page(browser, serve):  # after `serve`, so that pages are closed before servers stop
    """Open pages; a fault in any of them fails the test."""
    contexts, faults = [], []

    def opened(url, width=1440, height=900, script=None, slower=None, **more):
        context = browser.new_context(
            viewport={"width": width, "height": height}, accept_downloads=True, **more
        )
        context.set_default_timeout(1000 * PATIENCE)
        contexts.append(context)
        page = context.new_page()
        slower = slower or float(os.environ.get("SHOAL_TEST_SLOWER", 1))
        if slower > 1:
            devtools = context.new_cdp_session(page)
            devtools.send("Emulation.setCPUThrottlingRate", {"rate": slower})
        if script:
            page.add_init_script(script)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
        page.goto(url)
        ready(page)
        return page

    opened.faults = faults
    yield opened
    for context in contexts:
        context.close()
    assert faults == []


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
    assert told(page) == "Merge 0, 1 into 0."
    merged = sizes(page)
    assert merged["0"] == before["0"] + before["1"]
    assert "1" not in merged

    # Split it again, in three.
    page.keyboard.press("k")
    page.wait_for_selector(".parts li")
    page.fill("dialog input[type=number]", "3")
    until(page, "document.querySelectorAll('.parts li').length === 3")
    page.keyboard.press("Enter")
    assert told(page).startswith("Split 0 into")
    assert len(sizes(page)) == len(merged) + 2

    # Name one; the same name again asks, and merges nothing by itself.
    page.locator("#cluster-0").click()
    page.keyboard.press("l")
    page.fill("dialog input", "zeros")
    page.keyboard.press("Enter")
    assert told(page) == "Rename 0 “zeros”."
    page.locator("#cluster-2").click()
    page.keyboard.press("l")
    page.fill("dialog input", "Zeros")
    page.wait_for_selector("dialog .note:has-text('Nothing is merged without asking')")
    count = len(sizes(page))
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog h2:has-text('Merge clusters')")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert len(sizes(page)) == count

    # Take it all back.
    for _ in range(3):
        page.keyboard.press("Control+z")
        told(page)
    assert sizes(page) == before
    page.keyboard.press("Control+y")
    told(page)
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
    ready(page)
    page.keyboard.press("x")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    page.keyboard.press("Shift+ArrowRight")
    page.wait_for_selector("text=3 images selected")
    page.keyboard.press("m")
    page.wait_for_selector("dialog")
    page.keyboard.type("odd ones")
    page.keyboard.press("Enter")
    assert "“odd ones”" in told(page)
    after = sizes(page)
    assert after["1"] == before["1"] - 3
    assert sum(after.values()) == 600

    page.focus(".grid")
    ready(page)
    page.keyboard.press("Enter")
    page.wait_for_selector(".detail img")
    title = page.inner_text(".detail h2")
    page.keyboard.press("ArrowRight")
    until(page, f"document.querySelector('.detail h2')?.innerText !== '{title}'")
    shot(page, "detail")
    page.keyboard.press("Escape")
    page.wait_for_selector(".detail", state="detached")
    assert page.evaluate("document.activeElement.matches('.grid')")
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
    told(page)
    assert sizes(page) == before


STATES = {
    "start": "",
    "cluster": "c=1",
    "image": "c=1&i=7",
    "plain cut": "k=4&o=boundary",
    "map near": "m=3_0.5_0.5&c=2",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anyone_out(served, open_page, scheme):
    page = open_page(served, color_scheme=scheme)
    for name, where in STATES.items():
        page.goto(f"{served}#{where}")
        page.reload()
        ready(page)
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
        ready(page)
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
        ready(page)
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
    assert told(one)
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


def test_a_reader_is_offered_no_edits(serve, digits_path, open_page):
    page = open_page(serve(digits_path, "--read-only"))
    page.locator("#cluster-0").click()
    page.wait_for_selector("h2:has-text('Cluster 0')")
    for key in ("l", "k", "?"):
        page.keyboard.press(key)
    page.wait_for_selector("aside h2:has-text('Help')")  # what the keys before it do has been done
    ready(page)
    assert page.locator("dialog").count() == 0
    assert page.locator(".actions").count() == 0
    assert page.locator(".tag:has-text('read-only')").count() == 1


def test_vectors_are_shown_by_their_numbers(serve, vectors_path, open_page):
    page = open_page(f"{serve(vectors_path)}#c=0")
    page.wait_for_selector(".grid .cell .profile path:not(.axis)")
    page.locator(".grid .cell").first.click()
    page.wait_for_selector(".detail .between")
    shot(page, "vectors")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="2 unreadable").click()
    page.wait_for_selector("aside .log li")
    assert "not a finite number" in page.inner_text("aside .log")


def test_a_server_that_went_away_is_said(serve, digits_path, open_page):
    page = open_page(serve(digits_path))
    serve.stop()
    page.wait_for_selector("text=The server does not answer")
    page.locator("#cluster-0").click()
    page.wait_for_selector(".toast.bad")
    page.close()  # it asks again and again
    open_page.faults[:] = [f for f in open_page.faults if "ERR_" not in f]
    assert json.dumps(open_page.faults) == "[]"


def test_an_edit_is_said_when_the_news_of_it_comes_before_the_answer(served, open_page):
    late = {"POST edits": 400, "GET edits": 1000, "GET clusters": 1500}
    page = open_page(served, script=SLOW_ANSWERS % json.dumps(late))
    before = sizes(page)
    page.locator("#cluster-0").click()
    page.locator("#cluster-1").click(modifiers=["Control"])
    page.keyboard.press("g")
    page.wait_for_selector("dialog")
    page.keyboard.press("Enter")
    assert told(page) == "Merge 0, 1 into 0."
    page.wait_for_selector("h2:has-text('Cluster 0')")
    assert sizes(page)["0"] == before["0"] + before["1"]


def test_edits_are_made_in_the_order_of_the_keys(served, open_page):
    page = open_page(served, script=SLOW_ANSWERS % json.dumps({"POST edits": 300}))
    before = sizes(page)
    page.locator("#cluster-0").click()
    page.get_by_role("button", name="Good", exact=True).click()
    page.get_by_role("button", name="Lock", exact=True).click()  # not a conflict with oneself
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+y")
    said = [told(page) for _ in range(5)]
    assert said[:2] == ["Mark 0 as good.", "Lock 0."]
    assert said[2:] == ["Undo: lock 0.", "Undo: mark 0 as good.", "Redo: mark 0 as good."]
    assert sizes(page) == before
    assert page.locator("#cluster-0 .tag:has-text('good')").count() == 1
    assert page.locator("#cluster-0 .tag:has-text('locked')").count() == 0


def test_keys_are_not_lost_while_images_are_loaded(served, open_page):
    page = open_page(served, script=SLOW_ANSWERS % json.dumps({"GET rows": 600, "POST sets": 300}))
    page.locator("#cluster-0").click()
    page.focus(".grid")
    page.keyboard.press("Space")  # the next cluster; the focus stays where it was
    page.wait_for_selector("h2:has-text('Cluster 1')")
    ready(page)
    assert page.evaluate("document.activeElement.matches('.grid')")
    page.keyboard.press("End")
    page.keyboard.press("x")
    page.wait_for_selector("text=1 image selected")
    page.keyboard.press("Enter")
    page.wait_for_selector(".detail h2")
    page.keyboard.press("Escape")
    page.wait_for_selector(".detail", state="detached")
    assert page.evaluate("document.activeElement.matches('.grid')")


def test_a_message_stays_while_it_is_read_and_is_kept(served, open_page):
    page = open_page(served)
    page.clock.install()
    page.keyboard.press("l")
    assert told(page) == "Select one cluster to name."
    page.hover(".toast")
    page.clock.run_for(60_000)
    assert page.locator(".toast").is_visible()
    page.mouse.move(5, 5)
    page.clock.run_for(60_000)
    page.wait_for_selector(".toast", state="detached")
    page.keyboard.press("k")
    page.get_by_role("button", name="Dismiss").click()
    page.wait_for_selector(".toast", state="detached")
    assert messages(page) == ["Select one cluster to name.", "Select one cluster to split."]


def test_filters_and_an_area_add_up_with_the_clusters(serve, digits_path, tmp_path, open_page):
    lines = [f"{i % 7},{i / 10}" for i in range(600)]
    (tmp_path / "known.csv").write_text("week,weight\n" + "\n".join(lines) + "\n")
    page = open_page(serve(digits_path, "--metadata", str(tmp_path / "known.csv")))
    page.keyboard.press("i")
    page.get_by_role("checkbox", name="3").check()
    page.wait_for_selector("h2:has-text('Filtered')")
    wanted = len(range(3, 600, 7))
    page.wait_for_selector(f".title-line .soft:has-text('{wanted} images')")
    page.wait_for_selector("[role=tab]:has-text('Typical')[aria-selected=true]")
    assert page.get_by_role("tab", name="Overview").count() == 0  # it would show what is left out
    ready(page)
    inside = page.locator(".card .facts b").all_inner_texts()
    assert sum(int(n.replace(",", "")) for n in inside) == wanted
    page.get_by_label("to", exact=True).fill("29.9")
    page.keyboard.press("Tab")
    wanted = len(range(3, 300, 7))
    page.wait_for_selector(f".title-line .soft:has-text('{wanted} images')")
    ready(page)
    assert faults_of(page) == []
    shot(page, "filter")

    # The cards by what answers about them would gain.
    gains = page.evaluate("""async () => {
        const found = {};
        for (const q of (await (await fetch("/api/review")).json()).questions)
            for (const id of q.clusters) found[id] = (found[id] ?? 0) + q.gain;
        return Object.entries(found);
    }""")
    best = max(gains, key=lambda pair: (pair[1], -int(pair[0])))[0]
    page.get_by_label("Sort clusters by").select_option("Review gain")
    until(page, f"document.querySelector('.card').id === 'cluster-{best}'")

    # The address restores it, and a cluster within it is a part of it.
    again = open_page(page.url)
    again.wait_for_selector(f".title-line .soft:has-text('{wanted} images')")
    ready(again)
    part = again.locator(".card .facts b").first.inner_text()
    again.locator(".card").first.click()
    again.wait_for_selector(f".title-line .soft:has-text('{part} image')")


def test_an_image_that_is_dropped_finds_those_like_it(served, digits_path, open_page):
    import shoal

    pixels = shoal.open(digits_path).source.read(77, 78).data[0, ..., 0]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    page = open_page(served)
    page.keyboard.press("s")
    file = {"name": "seven.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    page.set_input_files("aside input[type=file]", [file])
    page.locator("aside .tiles .tile-button").first.click()
    page.wait_for_selector(".detail h2:has-text('Row 77')")
    ready(page)
    assert faults_of(page) == []
    shot(page, "search")
    page.set_input_files("aside input[type=file]", [{**file, "buffer": b"no image"}])
    assert told(page).startswith("This is no image file")
    open_page.faults[:] = [f for f in open_page.faults if "400" not in f]
