"""The page with others at work, slow answers, and a server that goes away."""

import json

import pytest
from tests.explore.browsing import CHROMIUM, SLOW_ANSWERS, ready, sizes, told

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


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
    # The browser's console notes the refusal itself: that is not a fault of the page.
    open_page.faults[:] = [f for f in open_page.faults if "409" not in f]


def test_a_server_that_went_away_is_said(serve, digits_path, open_page):
    page = open_page(serve(digits_path))
    serve.stop()
    page.wait_for_selector("text=The server does not respond")
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
    assert told(page) == "Merged cluster 1 into cluster 0."
    page.wait_for_selector("h2:has-text('Cluster 0')")
    assert sizes(page)["0"] == before["0"] + before["1"]
    page.keyboard.press("k")
    page.wait_for_selector(".parts li")
    page.keyboard.press("Enter")
    assert told(page).startswith("Split cluster 0 into")
    page.wait_for_selector("h2:has-text('2 clusters')")  # its parts, ready to be looked at


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
    assert said[:2] == ["Marked cluster 0 as good.", "Locked cluster 0."]
    assert said[2] == "Undone: locked cluster 0."
    assert said[3:] == [f"{how}: marked cluster 0 as good." for how in ("Undone", "Redone")]
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
