"""Finding images on the page: filters, an image, words, the empty parts of the map."""

import io

import numpy as np
import pytest
from PIL import Image
from tests.explore.browsing import CHROMIUM, draw_box, faults_of, ready, serving, shot, told, until
from tests.explore.worded import coloured_images, open_colours

from shoal.features import choose

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


def test_filters_and_an_area_add_up_with_the_clusters(serve, digits_path, tmp_path, open_page):
    lines = [f"{i % 7},{i / 10}" for i in range(600)]
    (tmp_path / "known.csv").write_text("week,weight\n" + "\n".join(lines) + "\n")
    address = serve(digits_path, metadata=tmp_path / "known.csv")
    page = open_page(address, height=1800)  # so that all cards are drawn
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
    page.get_by_label("weight to").fill("29.9")
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
    assert told(page).startswith("This is not an image file")
    open_page.faults[:] = [f for f in open_page.faults if "400" not in f]


def test_words_find_images_where_the_features_know_them(tmp_path, monkeypatch, browser, open_page):
    import shoal

    monkeypatch.setattr(choose, "open_network", open_colours)
    np.save(tmp_path / "x.npy", coloured_images())
    how = {"workers": 1, "features": "open_clip:tiny", "layers": (4,)}
    shoal.fit(tmp_path / "x.npy", tmp_path / "x.shoal", **how)
    with serving(tmp_path / "x.shoal", program="tests.explore.worded") as url:
        page = open_page(url)
        page.keyboard.press("s")
        page.get_by_role("searchbox", name="Words").fill("red")
        page.keyboard.press("Enter")
        page.wait_for_selector("aside .tiles .tile-button")
        ready(page)
        said = page.inner_text("aside .side-body")  # the words, what they found, then the images
        found = [said.index(part) for part in ("Words", "Best matches for “red”", "Best first")]
        assert found == sorted(found)
        shot(page, "words")
        assert faults_of(page) == []
        name = page.locator("aside .tile-button").first.get_attribute("title")
        row = int(name.split()[-1])
        shade = coloured_images()[row].mean(axis=(0, 1))
        assert shade[0] > 1.5 * max(shade[1:])
        page.get_by_role("searchbox", name="Words").fill("chartreuse")
        page.keyboard.press("Enter")
        assert told(page) == "The words are not known"
        open_page.faults[:] = [f for f in open_page.faults if "400" not in f]
        page.close()


def test_an_empty_part_of_the_map_says_so_and_leads_back(served, open_page):
    page = open_page(f"{served}#m=9_0.0001_0.0001")
    page.wait_for_selector(".map-empty:has-text('There is no image here')")
    assert faults_of(page) == []
    shot(page, "map empty")
    page.get_by_role("button", name="Show the whole map").click()
    page.wait_for_selector(".map-empty", state="detached")


def test_the_slider_says_why_it_ends(served, open_page):
    page = open_page(served)
    slider = page.get_by_role("slider", name="Number of clusters")
    slider.fill(slider.get_attribute("max"))
    note = page.wait_for_selector(".slider .note:has-text('The slider ends at')")
    assert "far beyond the finest layer" in note.inner_text()
    exactly = page.get_by_role("spinbutton", name="Exact number of clusters")
    exactly.fill("200")
    page.keyboard.press("Tab")
    until(page, "location.hash.includes('k=200')")


def test_a_dialog_counts_what_it_is_about_though_the_answer_is_late(served, open_page):
    page = open_page(served)
    page.wait_for_selector(".leaflet-ground-pane img.leaflet-tile-loaded")
    late = []
    page.route("**/api/sets*", lambda route: late.append(route))
    draw_box(page)
    page.wait_for_selector("h2:has-text('Area of the map')")
    page.keyboard.press("m")
    page.wait_for_selector("dialog h2:text-is('Move images')")
    for request in late:
        request.continue_()
    page.wait_for_selector(".title-line .soft")
    area = page.inner_text(".title-line .soft")
    assert area != "600 images"
    page.wait_for_selector(f"dialog h2:text-is('Move {area}')")
