import numpy as np
import pytest
from tests.explore.worded import Colours, open_colours

import shoal
from shoal.errors import InputError
from shoal.explore.explorer import Explorer
from shoal.explore.prepare import prepare_leaves
from shoal.explore.suggestions import suggested
from shoal.explore.words import COMMON, named_by_words, read_words
from shoal.features import choose
from shoal.storage import RunFolder


@pytest.fixture
def coloured(tmp_path, monkeypatch):
    """Red, green and violet images."""
    monkeypatch.setattr(choose, "open_network", open_colours)
    draw = np.random.default_rng(3)
    shades = np.array([[220, 40, 40], [40, 220, 40], [130, 40, 160]])
    images = shades[np.repeat([0, 1, 2], 40)][:, None, None] + draw.integers(
        -25, 25, (120, 6, 6, 3)
    )
    run = shoal.fit(
        images.astype(np.uint8), tmp_path / "a.shoal", features="open_clip:x", k=3, workers=1
    )
    prepare_leaves(RunFolder.open(run.path), run.path)
    return run


def test_clusters_are_named_by_the_words_that_they_fit_more_than_others(coloured):
    explorer = Explorer(coloured, coloured.path, words=("violet", "table", "red", "green"))
    cut, labels = explorer.cut(None), coloured.labels()
    found = suggested(explorer, cut)
    assert [found[labels[row]] for row in (0, 50, 110)] == ["red", "green", "violet"]
    encoder = Colours()
    encoder.setup()
    direction = coloured.model.fitted.projection.direction(encoder.encode_words(["red"]))[0]
    vectors = coloured.representatives.vectors[np.argsort(coloured.representatives.rows)]
    means = [(vectors[labels == c] @ direction).mean() for c in range(3)]
    assert found[int(np.argmax(means))] == "red"


def test_where_the_features_know_no_words_none_are_suggested(digits):
    assert named_by_words(digits, digits.cut(None)) == {}


def test_common_words_are_each_there_once():
    assert len(set(COMMON)) == len(COMMON) > 100


def test_words_are_read_one_a_line(tmp_path):
    file = tmp_path / "words.txt"
    file.write_text("red kite\n\n Tür \nred kite\n", encoding="utf-8")
    assert read_words(file) == ("red kite", "Tür")
    for content in (b"", b"one", b"\xff\xfe", b"\n".join(b"%d" % n for n in range(10_001))):
        file.write_bytes(content)
        with pytest.raises(InputError, match="--words"):
            read_words(file)
    with pytest.raises(InputError, match="--words"):
        read_words(tmp_path)
