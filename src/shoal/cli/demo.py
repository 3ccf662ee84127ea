"""``shoal demo``."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoal.cli.explore import explore_run
from shoal.cli.options import option
from shoal.cli.output import command, number, print_next, say
from shoal.cli.runs import open_run, print_layers

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TILE = 16


def demo(
    to: Path | None = option(
        "--to DIR", "Folder for data and results; by default a new temporary folder."
    ),
    seed: int = option("--seed N", "Random seed, as for shoal fit.", 0, show_default=True),
    no_open: bool = option("--no-open", "Exit without opening the explorer.", False),
) -> None:
    """Fit two small sets of real images and open the explorer on the first.

    The explorer runs until Ctrl-C; with --no-open the command exits when the fits are done.
    """
    from shoal.tiles import digits as handwritten

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
        [
            (command("shoal", "explore", run), "inspect, correct and name clusters"),
            (
                command("shoal", "labels", run, "--k", 10),
                "cluster sizes of any other cut of the tree",
            ),
            (command("shoal", "eval", run, *truth), "all quality measures of each layer"),
            (command("shoal", "fit", "FOLDER"), "your own images"),
        ]
    )
    if not no_open:
        say()
        explore_run(open_run(run))


def _fit(path: Path, images: NDArray, labels: NDArray, seed: int) -> Path:
    """Fit images that are saved first; print layers and accuracy; give the report's file."""
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
    say(f"Against the truth, layer K = {run.primary.k}: {_scores(score)}")
    report = path.with_name(f"{path.stem}-report.html")
    run.export(report, "html", force=True)
    return report.absolute()


def _scores(score: dict[str, Any]) -> str:
    shown = {"accuracy": "accuracy", "purity": "purity", "ami": "AMI", "ari": "ARI"}
    return ", ".join(
        f"{label} {number(score[name])}" for name, label in shown.items() if name in score
    )


def _tiles() -> tuple[NDArray, NDArray]:
    """Cut scikit-learn's two photos into tiles; the truth is the photo that each is from."""
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
