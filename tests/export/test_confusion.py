import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shoal.export.confusion import confusion_picture, confusion_table


def test_columns_are_put_in_the_order_that_shows_agreement():
    truth = np.array([0, 0, 0, 1, 1, 2, 2, 2, -1])
    labels = np.array([5, 5, 5, 9, 9, 1, 1, 7, 5])
    counts, clusters = confusion_table(truth, labels, 3)
    assert clusters.tolist() == [5, 9, 1, 7]
    assert counts.tolist() == [[3, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 1]]


@given(st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 6)), min_size=1, max_size=60))
def test_every_row_that_has_both_is_counted_once(pairs):
    truth, labels = np.array(pairs).T
    counts, clusters = confusion_table(truth, labels, 5)
    both = (truth >= 0) & (labels >= 0)
    assert counts.sum() == both.sum()
    assert sorted(clusters) == sorted(set(labels[both]))


def test_the_picture_is_drawn_for_few_classes_and_for_many(tmp_path):
    rng = np.random.default_rng(0)
    for classes, clusters in ((2, 3), (40, 300), (1, 1)):
        truth, labels = rng.integers(0, classes, 2000), rng.integers(0, clusters, 2000)
        names = [f"a class with a long <name> {i}" for i in range(classes)]
        confusion_picture(tmp_path / "x.png", truth, labels, names)
        with Image.open(tmp_path / "x.png") as image:
            assert image.format == "PNG"
            assert max(image.size) < 2500
