"""``shoal demo``."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from shoal.cli.explore import explore_run
from shoal.cli.options import SeedOption, option
from shoal.cli.output import number, print_next, say
from shoal.cli.runs import open_run, print_layers

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TILE = 16
_SCORES = {"accuracy": "accuracy", "purity": "purity", "ami": "AMI", "ari": "ARI"}


def demo(
    to: Path | None = option(
        "--to DIR", "Folder for data and results; by default a new temporary folder."
    ),
    seed: SeedOption = 0,
    no_open: bool = option("--no-open", "Exit without opening the explorer.", False),
) -> None:
    """Fit two small sets of real images and open the explorer on the first.

    The explorer runs until Ctrl-C; with --no-open the command exits when the fits are done.
    """
    from shoal.synthetic import digits as handwritten

    folder = to or Path(tempfile.mkdtemp(prefix="shoal-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    say(
        "1. Handwritten digits: 1,797 images of 8×8. Shoal does not know that there are ten "
        "classes."
    )
    digits = _fit(folder / "digits.npz", *handwritten(), seed)
    say()
    say(f"2. Tiles of {_TILE}×{_TILE}, cut from two photos: a temple in China, and a flower.")
    say("   The truth is the photo that a tile is from, though each photo has several kinds.")
    tiles = _fit(folder / "tiles.npz", *_tiles(), seed)
    say()
    say(f"Reports: {digits}")
    say(f"         {tiles}")
    run = folder / "digits.shoal"
    truth = ("--truth", folder / "digits.npz", "--key", "labels")
    print_next(
        {
            ("explore", run): "inspect, correct and name clusters",
            ("labels", run, "--k", 10): "cluster sizes of any other cut of the tree",
            ("eval", run, *truth): "all quality measures of each layer",
            ("fit", "FOLDER"): "your own images",
        }
    )
    if not no_open:
        say()
        explore_run(open_run(run))


def _fit(path: Path, images: NDArray, labels: NDArray, seed: int) -> Path:
    import numpy as np

    from shoal import api
    from shoal.progress import RichProgress
    from shoal.storage import write_bytes

    if not path.exists():
        buffer = io.BytesIO()
        np.savez(buffer, images=images, labels=labels)
        write_bytes(path, buffer.getvalue())
    with RichProgress() as bars:
        run = api.fit(path, path.with_suffix(".shoal"), key="images", seed=seed, progress=bars)
    print_layers(run)
    score = next(s for s in run.evaluate(labels) if s["k"] == run.primary.k)
    scores = ", ".join(f"{label} {number(score[name])}" for name, label in _SCORES.items())
    say(f"Against the truth, layer K = {run.primary.k}: {scores}")
    report = path.with_name(f"{path.stem}-report.html")
    run.export(report, "html", force=True)
    return report.absolute()


def _tiles() -> tuple[NDArray, NDArray]:
    """Cut scikit-learn's two photos into tiles, each labelled by its photo."""
    import numpy as np
    from sklearn.datasets import load_sample_image

    found = []
    for name in ("china.jpg", "flower.jpg"):
        photo = np.asarray(load_sample_image(name))
        down, across = photo.shape[0] // _TILE, photo.shape[1] // _TILE
        grid = photo[: down * _TILE, : across * _TILE].reshape(down, _TILE, across, _TILE, 3)
        found.append(grid.swapaxes(1, 2).reshape(-1, _TILE, _TILE, 3))
    labels = np.repeat([0, 1], [len(tiles) for tiles in found])
    return np.concatenate(found), labels
