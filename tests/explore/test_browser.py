"""The page in a real browser, served by a real process: what a person does, and what they see."""

import csv
import io
import re
from pathlib import Path

import pytest
from tests.explore.browsing import CHROMIUM, draw_box, ready, shot, sizes, told, until

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


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
    until(page, f"document.querySelector('.foot').innerText.includes('{len(before)} clusters')")

    # A part of the map, drawn by hand.
    draw_box(page)
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
    assert told(page) == "Merged cluster 1 into cluster 0."
    merged = sizes(page)
    assert merged["0"] == before["0"] + before["1"]
    assert "1" not in merged

    # Split it again, in three.
    page.keyboard.press("k")
    page.wait_for_selector(".parts li")
    page.fill("dialog input[type=number]", "3")
    until(page, "document.querySelectorAll('.parts li').length === 3")
    page.keyboard.press("Enter")
    assert told(page).startswith("Split cluster 0 into")
    assert len(sizes(page)) == len(merged) + 2

    # Name one; the same name again asks, and merges nothing by itself.
    page.locator("#cluster-0").click()
    page.keyboard.press("l")
    page.fill("dialog input", "zeros")
    page.keyboard.press("Enter")
    assert told(page) == "Renamed cluster 0 to “zeros”."
    page.locator("#cluster-2").click()
    page.keyboard.press("l")
    page.fill("dialog input", "Zeros")
    page.wait_for_selector("dialog .note:has-text('Nothing is merged yet')")
    count = len(sizes(page))
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog h2:has-text('Merge clusters')")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert len(sizes(page)) == count

    # Twenty images to judge: a click says which do not belong, and keeps no answer yet.
    page.locator("#cluster-0").click()
    page.keyboard.press("q")
    page.locator(".quiz .tile-button").nth(3).click()
    page.locator(".quiz .tile-button").nth(7).click()
    page.wait_for_selector("dialog :text('2 of 20 wrong')")
    assert "interval: 3 to 30%" in page.inner_text("dialog")
    page.get_by_role("button", name="Save the answers").click()
    assert told(page) == "Quiz on “zeros”: 18 right, 2 wrong."
    page.keyboard.press("Control+z")
    told(page)

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
    page = open_page(served, height=3000)  # so that all cards are drawn
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


def test_the_whole_journey_works_by_the_keyboard_alone(served, open_page):
    page = open_page(served)
    before = sizes(page)

    # On the map: what is in the middle, all that is seen.
    page.wait_for_selector(".leaflet-ground-pane img.leaflet-tile-loaded")
    page.focus(".map-box")
    page.keyboard.press("Shift+Enter")
    page.wait_for_selector("h2:has-text('Area of the map')")
    ready(page)
    assert page.inner_text(".title-line .soft") == "600 images"
    shot(page, "map by keyboard")
    page.keyboard.press("Escape")
    page.wait_for_selector("h2:has-text('All 600 images')")
    middle = page.evaluate("""async () => {
        const { xy, id } = (await (await fetch("/api/clusters")).json()).clusters[2];
        return { place: `${xy[0]}_${xy[1]}`, id };
    }""")
    page.goto(f"{served}#m=2_{middle['place']}")
    page.reload()
    ready(page)
    page.wait_for_selector(".leaflet-ground-pane img.leaflet-tile-loaded")
    page.focus(".map-box")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('.card.on, .detail h2') !== null")
    page.keyboard.press("Escape")

    # The slider, two clusters, merged, split, named.
    slider = page.get_by_role("slider", name="Number of clusters")
    slider.focus()
    page.keyboard.press("Home")
    until(page, "document.querySelectorAll('.card').length === 1")
    page.get_by_text(re.compile(r"^back to")).focus()
    page.keyboard.press("Enter")
    until(page, f"document.querySelector('.foot').innerText.includes('{len(before)} clusters')")
    page.focus(".cards")
    page.keyboard.press("Home")
    page.keyboard.press("Shift+ArrowDown")
    page.wait_for_selector("h2:has-text('2 clusters')")
    page.keyboard.press("g")
    page.wait_for_selector("dialog")
    page.keyboard.press("Enter")
    assert told(page) == "Merged cluster 1 into cluster 0."
    page.keyboard.press("k")
    page.wait_for_selector(".parts li")
    page.keyboard.press("Enter")
    assert told(page).startswith("Split cluster 0 into")
    page.focus(".cards")
    page.keyboard.press("Home")
    page.keyboard.press("l")
    page.wait_for_selector("dialog")
    page.keyboard.type("first")
    page.keyboard.press("Enter")
    assert "“first”" in told(page)

    # Taken back, and away with what is left.
    for _ in range(2):
        page.keyboard.press("Control+z")
        told(page)
    after = sizes(page)
    assert after["0"] == before["0"] + before["1"]
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    page.wait_for_selector("dialog")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    lines = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert sum(line["cluster"] == "0" for line in lines) == after["0"]


def test_the_address_restores_the_view(served, open_page):
    page = open_page(f"{served}#k=5&c=2&o=boundary&s=80")
    page.wait_for_selector("h2:has-text('Cluster 2')")
    assert page.get_attribute("[role=tab]:has-text('Unsure')", "aria-selected") == "true"
    page.locator("#cluster-3").click()
    page.wait_for_selector("h2:has-text('Cluster 3')")
    page.get_by_role("tab", name="Random").click()
    until(page, "location.hash.includes('c=3') && location.hash.includes('o=random')")
    again = open_page(page.url)
    again.wait_for_selector("h2:has-text('Cluster 3')")
    assert again.get_attribute("[role=tab]:has-text('Random')", "aria-selected") == "true"
    odd = open_page(f"{served}#k=99999999&c=-1.x.7e9&o=none&s=1e9&i=-4&m=x_y&a=1.2.3&t=zzz")
    odd.wait_for_selector("h2:has-text('All 600 images')")


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
