"""The page for everybody: screen readers, narrow screens, those who only read, hostile names."""

import pytest
from tests.explore.browsing import CHROMIUM, faults_of, messages, ready, shot, told

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


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
        ("w", ".review .question, .review .empty"),
        ("c", "aside .changes, aside p b"),
        ("h", "aside .empty, aside .log"),
        ("?", "aside dl"),
    ):
        page.keyboard.press(key)
        page.wait_for_selector(selector)
        assert faults_of(page) == [], key
        page.keyboard.press("Escape")
        page.wait_for_selector("aside, .review", state="detached")
    for key in ("k", "l", "n", "q", "e"):
        page.keyboard.press(key)
        page.wait_for_selector("dialog")
        ready(page)
        assert faults_of(page) == [], key
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")
    page.get_by_role("button", name="Tree").click()
    page.wait_for_selector(".leaf")
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
    page = open_page(serve(digits_path, read_only=True))
    page.locator("#cluster-0").click()
    page.wait_for_selector("h2:has-text('Cluster 0')")
    for key in ("l", "k", "?"):
        page.keyboard.press(key)
    page.wait_for_selector("aside h2:has-text('Help')")  # what the keys before it do has been done
    ready(page)
    assert page.locator("dialog").count() == 0
    assert page.locator(".actions").count() == 0
    assert page.locator(".tag:has-text('read-only')").count() == 1


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
    page.get_by_role("button", name="Dismiss", exact=True).click()
    page.wait_for_selector(".toast", state="detached")
    assert messages(page) == ["Select one cluster to name.", "Select one cluster to split."]
