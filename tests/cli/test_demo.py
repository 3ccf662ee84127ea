import webbrowser

from shoal.cli import demo


def test_the_demo_runs_by_itself(shoal, tmp_path):
    result = shoal("demo", "--no-open", "--to", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("Against the truth") == 2
    assert "accuracy 0.9" in result.stdout
    for name in ("digits", "tiles"):
        report = tmp_path / f"{name}-report.html"
        assert str(report) in result.stdout
        assert report.stat().st_size > 10_000
    again = shoal("demo", "--no-open", "--to", tmp_path)
    assert "Nothing to do" in again.stderr


def test_only_a_browser_with_windows_is_opened(monkeypatch, tmp_path):
    opened = []

    class Windows(webbrowser.BaseBrowser):
        def open(self, url, new=0, autoraise=True):
            opened.append(url)
            return True

    monkeypatch.setattr(webbrowser, "get", Windows)
    assert demo._open(tmp_path / "x.html")
    assert opened == [(tmp_path / "x.html").as_uri()]
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.GenericBrowser("lynx"))
    assert not demo._open(tmp_path / "x.html")
