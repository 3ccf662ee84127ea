import urllib.error
import urllib.request

import pytest

import shoal
from shoal.errors import InputError
from shoal.explore import page as pages


@pytest.fixture
def opened(monkeypatch):
    """The addresses that were opened in tabs."""
    found = []
    monkeypatch.setattr(pages.webbrowser, "open", found.append)
    return found


def test_a_run_is_explored_beside_other_work(digits_path, opened):
    run = shoal.open(digits_path)
    page = run.explore(tab=False, read_only=True, height=500)
    try:
        assert opened == []
        assert f'<iframe src="{page.url}" style="width:100%;height:500px' in page._repr_html_()
        with urllib.request.urlopen(page.url) as answer:
            policy = answer.headers["content-security-policy"]
            assert b"<title>" in answer.read()
        assert "frame-ancestors http://localhost:*" in policy
        assert run.explore() is page
        assert opened == [page.url]
        assert "<iframe" not in page._repr_html_()
    finally:
        page.stop()
    assert not page.running
    assert "stopped" in repr(page)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(page.url)


def test_a_page_that_was_stopped_is_served_anew(digits_path, opened):
    run = shoal.open(digits_path)
    first = run.explore(read_only=True)
    first.stop()
    second = run.explore(read_only=True)
    assert second is not first
    assert second.running
    second.stop()


def test_a_height_of_nothing_is_refused(digits_path):
    with pytest.raises(InputError, match="at least 100 pixels; got 0"):
        shoal.open(digits_path).explore(tab=False, height=0)
