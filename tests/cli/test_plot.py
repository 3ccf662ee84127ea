import shutil

import pytest

from shoal.plots import KINDS, Plots
from shoal.plots.canvas import new_axes


@pytest.fixture(scope="module")
def run(run, tmp_path_factory):
    """A copy of the run, which gets a map."""
    return shutil.copytree(run, tmp_path_factory.mktemp("own") / "digits.shoal")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("centroids", ()),
        ("confusion", ()),
        ("examples", ("--cluster", 0, "--count", 5)),
        ("map", ("--projection", "pca")),
        ("dendrogram", ("--k", 3, "--leaves", 6)),
    ],
)
def test_a_picture_is_written(shoal, run, tmp_path, kind, options):
    out = tmp_path / f"{kind}.png"
    result = shoal("plot", run, kind, "-o", out, *options)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"{out}: ")
    assert out.read_bytes()[:4] == b"\x89PNG"


def test_former_names_of_options_still_work_with_a_warning(shoal, run, tmp_path):
    for kind, former, name, value in (
        ("map", "--way", "--projection", "pca"),
        ("centroids", "--of", "--image", "middle"),
    ):
        result = shoal("plot", run, kind, "-o", tmp_path / f"{kind}.png", former, value)
        assert (result.exit_code, result.stderr) == (0, f"{former} is deprecated: use {name}\n")
        assert former not in shoal("plot", "--help").stdout


def test_bad_input_is_one_sentence(shoal, run, tmp_path):
    (tmp_path / "there.png").touch()
    out = ("-o", tmp_path / "a.png")
    for words, said in (
        (("pie", *out), "unknown kind of plot 'pie'"),
        (("sizes", "-o", "a.jpg"), ".png, .svg, .pdf"),
        (("sizes", "-o", tmp_path / "there.png"), "exists"),
        (("sizes", "--cluster", 1, *out), "--cluster does not apply to sizes"),
        (("profile", *out), "no columns"),
        (("examples", "--cluster", 999, *out), "none of the clusters"),
        (("sizes", "--k", 2, "--layer", 0, *out), "exclude each other"),
        (("sizes",), "--out"),
    ):
        result = shoal("plot", run, *words)
        assert result.exit_code == 2, words
        assert said in result.stderr
        assert result.stderr.count("\n") == 1


def test_a_kind_from_outside_is_drawn_from_the_command_line(shoal, run, tmp_path, monkeypatch):
    def line(self, ax=None, **cut):
        ax = new_axes(ax, 2, 2)
        ax.plot([0, len(self._scene(cut).clusters)])
        return ax

    monkeypatch.setitem(KINDS, "line", "a line as long as there are clusters")
    monkeypatch.setattr(Plots, "line", line, raising=False)
    out = tmp_path / "line.png"
    assert shoal("plot", run, "line", "-o", out).stdout == f"{out}: {KINDS['line']}\n"
    assert out.exists()
