"""Two small runs: digits with names, and a table of two groups with a category and gaps."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

import shoal


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    images = (load_digits().images[:300] * 15).astype(np.uint8)
    run = shoal.fit(images, tmp_path_factory.mktemp("plots") / "digits.shoal", workers=1)
    run.label(load_digits().target[:300])
    return run


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("plots") / "table.csv"
    draw = np.random.default_rng(0)
    lines = ["age,income (k$),kind"]
    for group, kind in ((0, "red"), (1, "blue")):
        for _ in range(120):
            age = "" if draw.random() < 0.05 else f"{30 + 30 * group + draw.normal(0, 2):.2f}"
            lines.append(f"{age},{20 + 50 * group + draw.normal(0, 2):.2f},{kind}")
    path.write_text("\n".join(lines))
    return shoal.fit(path, path.with_suffix(".shoal"), workers=1, k=2)


@pytest.fixture(scope="session")
def texts():
    """Return all texts of axes."""

    def found(ax):
        from matplotlib.text import Text

        return [t.get_text() for t in ax.figure.findobj(Text) if t.get_text()]

    return found
