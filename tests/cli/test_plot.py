import shutil

import pytest


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
        ("map", ("--way", "pca")),
        ("dendrogram", ("--k", 3, "--leaves", 6)),
    ],
)
def test_a_picture_is_written(shoal, run, tmp_path, kind, options):
    out = tmp_path / f"{kind}.png"
    result = shoal("plot", run, kind, "-o", out, *options)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"{out}: ")
    assert out.read_bytes()[:4] == b"\x89PNG"


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
