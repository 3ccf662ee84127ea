import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from shoal.errors import InputError
from shoal.export import write_report
from shoal.export.report import report_html
from shoal.rows import open_source

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Checked(HTMLParser):
    """Collects what a page has, and fails where tags do not pair off."""

    def __init__(self, page):
        super().__init__()
        self.open, self.ids, self.links, self.tiles, self.unnamed = [], [], [], 0, 0
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        assert len(given) == len(attrs)
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if "href" in given else []
        is_tile = "t" in (given.get("class") or "").split()
        self.tiles += is_tile
        drawn = is_tile or tag == "svg"
        named = given.get("aria-label") or given.get("aria-hidden") == "true"
        self.unnamed += drawn and not named

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("kind", ["image_run", "vector_run", "folder_run", "table_run"])
def test_the_page_is_whole_and_needs_nothing_else(kind, request):
    page = report_html(request.getfixturevalue(kind))
    found = Checked(page)
    assert page.startswith("<!DOCTYPE html>")
    assert len(found.ids) == len(set(found.ids))
    assert all(link.startswith("#") and link[1:] in found.ids for link in found.links)
    assert not re.search(r"https?:|<script|<link|@import|url\((?!data:)", page)
    assert found.unnamed == 0
    for word in ("prefers-color-scheme: dark", "Layers", "Tree", "cluster-3", "Quarantine", "seed"):
        assert word in page


def test_images_are_shown_each_with_words(image_run):
    found = Checked(report_html(image_run))
    assert found.tiles > 4 * 10


def test_vectors_are_shown_by_profiles(vector_run):
    page = report_html(vector_run)
    assert Checked(page).tiles == 0
    assert "there are no pictures" in page
    assert page.count('class="profile"') == 4


def test_tables_are_shown_by_medians_and_shares(table_run):
    page = report_html(replace(table_run, changes={"gaps": {"gaps": 9}}))
    assert Checked(page).tiles == 0
    for said in ("Columns: 4 used", "names the rows", "pay &amp; more", "category, 2 values"):
        assert said in page
    assert "<b>" not in page
    assert page.count("&lt;b&gt; ") >= 4  # its share in each cluster
    assert page.count('class="box"') == 4 * 4
    assert "2024-01-" in page
    assert "<td>9</td>" in page
    assert "% missing)" in page


def test_300_clusters_of_a_wide_table_stay_under_five_megabytes(table_run):
    draw = np.random.default_rng(0)
    wide = {f"column {n}": draw.normal(size=3001) for n in range(300)}
    run = replace(table_run, source=open_source(wide, as_="table"), k=300)
    page = report_html(run)
    assert page.count("<article") == 300
    assert len(page.encode()) < 5_000_000


def test_everything_is_escaped(image_run, tmp_path):
    evil = tmp_path / "<b>&\"x'.shoal"
    page = report_html(replace(image_run, path=evil))
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;" in page
    assert "it is &lt;cut&gt; short" in page
    assert "&lt;script&gt;" in page


def test_any_cut_can_be_reported(image_run):
    page = report_html(image_run, k=7)
    assert "7 clusters in 40 images" in page
    assert 'id="cluster-6"' in page
    assert "2 clusters in 40 images" in report_html(image_run, layer=0)
    assert "No groups stand out" in report_html(image_run, k=1)


def test_the_same_run_gives_the_same_page(image_run):
    assert report_html(image_run) == report_html(image_run)


def test_300_clusters_of_noise_stay_under_five_megabytes(image_run):
    images = np.random.default_rng(0).integers(0, 255, (6001, 32, 32, 3), np.uint8)
    page = report_html(replace(image_run, source=open_source(images), k=300))
    assert page.count("<article") == 300
    assert len(page.encode()) < 5_000_000


def test_few_clusters_of_photos_stay_under_five_megabytes(image_run):
    images = np.random.default_rng(0).integers(0, 255, (201, 96, 96, 3), np.uint8)
    page = report_html(replace(image_run, source=open_source(images), k=20))
    assert len(page.encode()) < 5_000_000


def test_a_report_that_is_there_is_replaced_only_when_told(image_run, tmp_path):
    path = tmp_path / "new" / "report.html"
    write_report(image_run, path)
    with pytest.raises(InputError, match="exists"):
        write_report(image_run, path)
    write_report(image_run, path, force=True)
    assert path.read_text().rstrip().endswith("</html>")
