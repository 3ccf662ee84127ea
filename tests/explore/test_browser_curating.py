"""Correcting on the page: Review over the whole page, Split with pictures, one image at a time."""

import re
import shutil

import pytest
from tests.explore.browsing import CHROMIUM, faults_of, ready, serving, shot, sizes, told, until

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@pytest.fixture(scope="module")
def address(digits_path, tmp_path_factory):
    """The digits, served to all tests of this file; each takes back what it did."""
    copy = tmp_path_factory.mktemp("curating") / digits_path.name
    shutil.copytree(digits_path, copy)
    with serving(copy) as url:
        yield url


def test_review_fills_the_page_and_is_answered_by_keys(address, open_page):
    page = open_page(address)
    before = sizes(page)
    asks = page.evaluate("async () => (await (await fetch('/api/review')).json()).questions")
    page.keyboard.press("w")
    page.wait_for_selector(".review .answers")
    until(page, "document.querySelectorAll('.review .tiles .thumb').length > 12")
    box, whole = page.locator(".review").bounding_box(), page.locator("main").bounding_box()
    assert (box["width"], box["height"]) == (whole["width"], whole["height"])
    main = page.locator(".answers .main kbd").inner_text()
    assert main == ("y" if asks[0]["chance"] >= 0.5 else "n")
    assert faults_of(page) == []
    shot(page, "review")
    question = page.inner_text(".question-head")
    page.keyboard.press("s")
    until(page, f"document.querySelector('.question-head').innerText !== {question!r}")
    for key in ("n", "y"):
        page.keyboard.press(key)
        told(page)
    until(page, "document.querySelector('[role=progressbar]').getAttribute('aria-valuenow') > 0")
    page.keyboard.press("Escape")
    page.wait_for_selector(".review", state="detached")
    while page.get_by_role("button", name="Undo").first.is_enabled():
        page.keyboard.press("Control+z")
        told(page)
    assert sizes(page) == before


def test_a_split_is_looked_at_before_it_is_done(address, open_page):
    page = open_page(address)
    page.locator("#cluster-0").click()
    page.keyboard.press("k")
    until(page, "document.querySelectorAll('.parts li .thumb').length >= 8")
    shot(page, "split")
    assert page.get_by_role("button", name="By its own features").is_visible()
    page.keyboard.press("Escape")


def test_the_open_image_is_junked_moved_exported_and_searched_by(address, open_page):
    page = open_page(f"{address}#c=0")
    before = sizes(page)
    page.locator(".grid .cell").first.click()
    tools = page.get_by_role("toolbar", name="This image")
    tools.get_by_role("button", name="Junk").click()
    assert "junk" in told(page)
    assert told(page) == "Marked “junk” as junk."
    ready(page)
    after = sizes(page)
    assert after["0"] == before["0"] - 1
    page.keyboard.press("Escape")
    page.wait_for_selector(".detail", state="detached")
    page.locator(".grid .cell").first.click()
    tools.get_by_role("button", name="Junk").click()
    assert "“junk”" in told(page)  # into the one that is there
    assert len(sizes(page)) == len(after)
    for _ in range(3):
        page.keyboard.press("Control+z")
        told(page)
    assert sizes(page) == before

    page.keyboard.press("Escape")
    page.wait_for_selector(".detail", state="detached")
    page.locator(".grid .cell").first.click()
    page.keyboard.press("m")
    page.wait_for_selector("dialog h2:text-is('Move 1 image')")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    tools.get_by_role("button", name="Export").click()
    page.wait_for_selector("dialog h2:text-is('Export 1 image')")
    page.keyboard.press("Escape")
    title = page.inner_text(".detail h2")
    tools.get_by_role("button", name="Find similar").click()
    first = page.locator("aside .tiles .tile-button").first
    assert first.get_attribute("title").lower() == title.lower()
    assert re.search(r"\bsure\b", page.inner_text("aside"))
    ready(page)
    shot(page, "find alike")


def test_a_cluster_is_dragged_onto_another_and_an_image_onto_a_cluster(address, open_page):
    page = open_page(f"{address}#c=0")
    before = sizes(page)
    page.wait_for_selector(".grid .cell .thumb")
    page.locator(".grid .cell").first.drag_to(page.locator("#cluster-1"))
    assert "Moved" in told(page)
    after = sizes(page)
    assert (after["0"], after["1"]) == (before["0"] - 1, before["1"] + 1)
    page.locator("#cluster-0").drag_to(page.locator("#cluster-1"))
    dialog = page.get_by_role("dialog")
    assert "Merge" in dialog.inner_text()
    assert sizes(page) == after
    page.keyboard.press("Escape")
    page.keyboard.press("Control+z")
    told(page)
    assert sizes(page) == before


def test_clusters_and_images_are_dragged_into_a_tray_and_dealt_with_together(address, open_page):
    page = open_page(address)
    before = sizes(page)
    page.locator("#cluster-1").click()
    page.keyboard.press("t")
    page.locator("#cluster-2").drag_to(page.locator(".tray"))
    until(page, "document.querySelectorAll('.tray .tile-button').length === 2")
    page.get_by_role("button", name="Merge …").click()
    page.locator("dialog button.main").click()
    assert "Merged" in told(page)
    assert sizes(page)["1"] == before["1"] + before["2"]
    until(page, "document.querySelector('.tray') === null")
    page.locator("#cluster-0").click()
    page.locator(".grid .cell").first.drag_to(page.locator("#cluster-1"), trial=True)
    page.locator(".grid .cell").first.click()
    page.keyboard.press("t")
    page.locator("#cluster-3").drag_to(page.locator(".tray"))
    until(page, "document.querySelectorAll('.tray .tile-button').length === 2")
    assert faults_of(page) == []
    shot(page, "tray")
    page.get_by_role("button", name="Move all …").click()
    title = page.locator("dialog h2").inner_text()
    assert title == f"Move {before['3'] + 1} images"
    page.get_by_label("To", exact=True).fill("both")
    page.keyboard.press("Enter")
    told(page)
    assert before["3"] + 1 in sizes(page).values()
    for _ in range(2):
        page.keyboard.press("Control+z")
        told(page)
    assert sizes(page) == before


def test_clusters_have_tags_that_are_found_again(address, open_page):
    page = open_page(f"{address}#c=0.1")
    page.get_by_role("button", name="Tag", exact=True).click()
    page.get_by_label("New tags").fill("blurred, #ask-anna")
    page.keyboard.press("Enter")
    for _ in range(2):
        told(page)
    page.get_by_label("Find a cluster").fill("#ask-anna")
    until(page, "document.querySelectorAll('.card').length === 2")
    assert page.locator(".card .tag").all_inner_texts() == ["#blurred", "#ask-anna"] * 2
    page.locator("#cluster-0").click()
    page.keyboard.press("#")
    page.locator("dialog .chip", has_text="#blurred").click()
    page.locator("dialog button.main").click()
    told(page)
    assert page.locator("#cluster-0 .tag").all_inner_texts() == ["#ask-anna"]
    for _ in range(3):
        page.keyboard.press("Control+z")
        told(page)
    assert page.get_by_text("No cluster with this name.").is_visible()


def test_a_saved_view_is_returned_to_from_another_page(address, open_page):
    page = open_page(f"{address}#c=2&o=boundary&k=6")
    page.keyboard.press("v")
    page.get_by_label("Name", exact=True).fill("six")
    page.keyboard.press("Enter")
    page.locator("aside .link", has_text="six").wait_for()
    other = open_page(address)
    other.keyboard.press("v")
    other.locator("aside .link", has_text="six").click()
    until(other, "document.querySelector('.k-field input').value === '6'")
    until(other, "location.hash.includes('o=boundary')")
    assert other.locator(".gallery h2").inner_text() == page.locator(".gallery h2").inner_text()
    other.get_by_role("button", name="Delete the view six").click()
    other.get_by_text("No views yet").wait_for()
