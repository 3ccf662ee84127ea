"""What somebody meets who opens the page for the first time: one server for all of it."""

import re
import shutil

import numpy as np
import pytest
from tests.explore.browsing import CHROMIUM, faults_of, ready, serving, shot, told, until

import shoal

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@pytest.fixture(scope="module")
def address(digits_path, tmp_path_factory):
    """The digits, served to all tests of this file."""
    copy = tmp_path_factory.mktemp("page") / digits_path.name
    shutil.copytree(digits_path, copy)
    with serving(copy) as url:
        yield url


def test_pictures_are_on_the_map_wherever_their_squares_are(address, open_page):
    page = open_page(address)
    first = page.evaluate("async () => (await (await fetch('/api/map')).json()).pictures_from")
    for zoom in (first - 0.5, first - 0.25, first):
        page.goto("about:blank")  # or the page would write its own place over this one
        page.goto(f"{address}#m={zoom}_0.5_0.5&c=0")
        ready(page)
        until(page, "document.querySelector('.leaflet-ground-pane .leaflet-tile-loaded') !== null")
        for pane in ("pictures", "veil"):
            until(page, f"document.querySelector('.leaflet-{pane}-pane .leaflet-tile') !== null")
    page.goto("about:blank")
    page.goto(f"{address}#m={first - 0.75}_0.5_0.5&c=0")
    ready(page)
    until(page, "document.querySelector('.leaflet-ground-pane .leaflet-tile-loaded') !== null")
    assert page.locator(".leaflet-pictures-pane .leaflet-tile").count() == 0


def test_tabs_count_what_they_show_and_show_the_closest_where_there_is_none(address, open_page):
    page = open_page(address)
    counted = page.evaluate("async () => await (await fetch('/api/run')).json()")
    for name in ("outliers", "duplicates"):
        tab = page.get_by_role("tab", name=re.compile(name, re.I))
        assert tab.locator(".n").inner_text() == str(counted[name])
    assert counted["duplicates"] == 0
    page.get_by_role("tab", name=re.compile("duplicates", re.I)).click()
    page.wait_for_selector(".below:has-text('the most similar')")
    until(page, "document.querySelectorAll('.grid .cell .thumb').length > 20")
    shot(page, "most alike")


def test_the_page_greets_once_and_says_what_to_do_first(address, open_page):
    page = open_page(address)
    advice = page.get_by_role("region", name="First steps")
    assert re.search(r"\d+ clusters", advice.inner_text())
    assert "answer" in advice.inner_text()
    chips = advice.locator(".chip")
    assert chips.nth(0).get_attribute("aria-pressed") == "true"
    if chips.count() > 1:
        k = int(chips.nth(1).locator("b").inner_text())
        chips.nth(1).click()
        until(page, f"document.querySelectorAll('.card').length >= Math.min({k}, 9)")
        until(page, f"location.hash.includes('k={k}')")
    shot(page, "advice")
    advice.get_by_role("button", name="Dismiss this advice").click()
    page.wait_for_selector(".advice", state="detached")
    page.reload()
    ready(page)
    assert page.locator(".advice").count() == 0


def test_no_badge_is_green_on_a_cluster_that_the_tree_splits_further(address, open_page):
    page = open_page(f"{address}#k=4&t=clusters", height=3000)
    listed = page.evaluate("async () => (await (await fetch('/api/clusters?k=4')).json()).clusters")
    mixed = {f"cluster-{c['id']}" for c in listed if c["mixed_at"] is not None}
    assert mixed
    green = page.evaluate(
        "[...document.querySelectorAll('.card:has(.badge.firm)')].map((c) => c.id)"
    )
    assert not mixed & set(green)
    badge = page.locator(f"#{min(mixed)} .badge")
    assert "mixed?" in badge.inner_text()
    assert "% separate" in badge.get_attribute("title")


LABELS = """[...document.querySelectorAll(".label-on-map")].map((label) => {
    const { left, right, top, bottom } = label.getBoundingClientRect();
    return { left, right, top, bottom, face: label.querySelector(".thumb") !== null };
})"""


def test_labels_on_the_map_are_whole_and_none_is_over_another(address, open_page):
    page = open_page(address)
    until(page, "document.querySelectorAll('.label-on-map .thumb').length > 2")
    for view in ("", "#m=0.5_0.3_0.4"):
        if view:
            page.goto(f"{address}{view}")
            page.reload()
            until(page, "document.querySelectorAll('.label-on-map').length > 0")
        labels, box = page.evaluate(LABELS), page.locator(".map-box").bounding_box()
        for one in labels:
            assert box["x"] <= one["left"]
            assert one["right"] <= box["x"] + box["width"] + 1
            assert box["y"] <= one["top"]
            assert one["bottom"] <= box["y"] + box["height"] + 1
        for at, one in enumerate(labels):
            for other in labels[:at]:
                apart = (
                    one["left"] >= other["right"] - 1,
                    one["right"] <= other["left"] + 1,
                    one["top"] >= other["bottom"] - 1,
                    one["bottom"] <= other["top"] + 1,
                )
                assert any(apart)


def test_the_map_zooms_to_what_is_selected_and_hides_the_rest(address, open_page):
    page = open_page(f"{address}#c=0")
    page.wait_for_selector(".leaflet-ground-pane img.leaflet-tile-loaded")
    page.get_by_label("Only selected").check()
    until(page, "document.querySelectorAll('.label-on-map').length === 1")
    page.get_by_role("button", name="Selection").click()
    until(page, "Number((location.hash.match(/m=([0-9.]+)/) ?? [])[1]) > 0")
    shot(page, "only selected")
    page.get_by_role("button", name="Fit").click()
    page.get_by_label("Only selected").uncheck()
    until(page, "document.querySelectorAll('.label-on-map').length > 1")


def test_on_a_phone_a_cluster_leads_to_its_images_and_nothing_is_cut(address, open_page):
    page = open_page(address, width=390, height=800, has_touch=True, is_mobile=True)
    page.get_by_role("button", name="Clusters", exact=True).click()
    page.locator("#cluster-1").tap()
    page.wait_for_selector(".middle h2:has-text('Cluster 1')")
    assert page.locator(".cards").is_hidden()
    assert page.locator(".top").bounding_box()["height"] < 100  # two lines, of which one scrolls
    for button in page.locator(".top button").all():
        button.scroll_into_view_if_needed()
        box = button.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    shot(page, "phone")


def test_a_table_is_drawn_by_two_columns_and_its_suggested_names_are_accepted(
    serve, tmp_path, open_page
):
    draw, group = np.random.default_rng(0), np.repeat([0, 1, 2], 50)
    pay = np.array([20, 20, 90])[group] + draw.normal(size=150)
    age = np.array([20, 70, 45])[group] + draw.normal(size=150)
    lines = [f"{a:.2f},{p:.2f}" for a, p in zip(age, pay, strict=True)]
    (tmp_path / "t.csv").write_text("Age,Pay (k$)\n" + "\n".join(lines) + "\n")
    shoal.fit(tmp_path / "t.csv", tmp_path / "made" / "t.shoal", workers=1, k=3)
    page = open_page(serve(tmp_path / "made" / "t.shoal"))
    page.keyboard.press("d")
    page.wait_for_selector(".spread li svg")
    painted = """[...document.querySelector("canvas").getContext("2d")
        .getImageData(0, 0, 400, 300).data].filter((v, at) => at % 4 === 3 && v > 0).length"""
    assert until(page, painted) > 150
    assert page.locator(".spread li svg").count() == 3
    assert faults_of(page) == []
    page.keyboard.press("Escape")
    until(page, "document.querySelectorAll('.card .suggested').length === 3")
    page.locator(".card").first.click()
    said = page.locator(".card.on .suggested").inner_text().removesuffix("?")
    page.keyboard.press("a")
    assert told(page).endswith(f"to “{said}”.")
    until(page, "document.querySelectorAll('.card .suggested').length === 2")
    page.get_by_role("button", name="Accept 2 suggested names").click()
    assert told(page) == "Named 2 clusters."
    page.get_by_role("button", name="Undo").last.click()
    until(page, "document.querySelectorAll('.card .suggested').length === 2")


def test_the_line_of_the_tree_is_dragged_to_another_number_of_clusters(address, open_page):
    page = open_page(address)
    page.get_by_role("button", name="Tree").click()
    line = page.get_by_role("slider", name="Cut of the tree")
    k = int(line.get_attribute("aria-valuenow"))
    assert page.locator(".leaf .thumb").count() == k
    assert page.locator(".fork").count() == k - 1
    shot(page, "tree")
    box = line.bounding_box()
    page.mouse.move(box["x"] + 7, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] - 30, box["y"] + 60, steps=4)
    wanted = int(line.get_attribute("aria-valuenow"))
    assert 1 <= wanted < k
    page.mouse.up()
    until(page, f"document.querySelectorAll('.leaf').length === {wanted}")
    line.focus()
    page.keyboard.press("ArrowRight")
    until(page, f"document.querySelectorAll('.leaf').length === {wanted + 1}")


def test_compare_shows_where_the_images_go_with_pictures(address, open_page):
    page = open_page(address)
    page.keyboard.press("c")
    page.wait_for_selector(".flow path")
    found = page.evaluate("async () => (await fetch('/api/compare?before=4&after=9')).json()")
    page.get_by_role("combobox", name="Before").select_option("4")
    until(page, "document.querySelectorAll('.flow .end.before').length === 4")
    assert page.locator(".flow .end.before .thumb").count() == 4
    assert sum(rows for *_, rows in found["flows"]) == 600 == found["rows"]
    assert sum(c["rows"] for c in found["after_clusters"]) == 600
    page.locator(".flow button.end").first.click()
    until(page, "location.hash.includes('c=')")


def test_one_notch_of_the_wheel_is_a_third_of_a_level(address, open_page):
    page = open_page(f"{address}#m=2_0.5_0.5")
    page.wait_for_selector(".leaflet-tile-loaded")
    zoom = "Number(location.hash.match(/m=([-0-9.]+)/)[1])"
    page.locator(".map-box").hover()
    page.mouse.wheel(0, -100)
    until(page, f"Math.abs({zoom} - 2 - 1 / 3) < 0.01")


def test_a_click_asks_for_nothing_that_is_there(served, open_page):
    page = open_page(f"{served}#c=0&o=typical")
    until(page, "document.querySelectorAll('.grid .cell .thumb').length > 20")
    until(page, "document.querySelector('.leaflet-ground-pane .leaflet-tile-loaded') !== null")
    asked = []
    page.on("request", lambda request: asked.append(request.url.partition("/api/")[2]))

    def since(*parts):
        found = [url.partition("?")[0] for url in asked if url.startswith(parts)]
        asked.clear()
        return found

    page.locator(".grid .cell").first.click()
    page.wait_for_selector(".facts-of .tile-button")
    assert since("row?", "rows?") == ["row"]
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Good", exact=True).click()
    assert "good" in told(page)
    page.get_by_role("button", name="Not good").wait_for()
    assert since("clusters", "rows?", "map/", "mean", "thumbs") == ["clusters"]
    page.get_by_role("tab", name="Random").click()
    ready(page)
    assert since("rows?") == ["rows"]
