"""Draw the map of a run by other tools, to hold the explorer's beside: build/peers/*.png.

``python docs/peer_pictures.py RUN``, after ``pip install datamapplot embedding-atlas`` in an
environment of their own (the latter brings torch and more); what is not installed is left out.
"""

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.explore.browsing import CHROMIUM, serving

import shoal

OUT = Path(__file__).parents[1] / "build" / "peers"
PORT = 5055
WINDOW = {"width": 1440, "height": 900}
SLOW = 20_000  # ms until a page of a loaded machine is drawn


def data_map_plot(run: shoal.Run) -> None:
    """Draw the places of the rows, labelled by cluster."""
    import datamapplot

    table = run.map_table()
    places = np.stack([table["x"].to_numpy(), -table["y"].to_numpy()], 1)
    names = np.array([f"Cluster {c}" for c in run.labels()], object)
    figure, _ = datamapplot.create_plot(10 * (places - 0.5), names, figsize=(9, 9), dpi=100)
    figure.savefig(OUT / "datamapplot.png")


def embedding_atlas(run: shoal.Run) -> None:
    """Serve what ``shoal export --as atlas`` writes."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "atlas.parquet"
        run.export(file, "atlas")
        words = ["--x", "x", "--y", "y", "--image", "image", "--disable-projection"]
        words += ["--port", str(PORT), "--no-auto-port"]
        command = [sys.executable, "-m", "embedding_atlas.cli", str(file), *words]
        with subprocess.Popen(command) as server:
            shoot(f"http://localhost:{PORT}/", "embedding-atlas")
            server.terminate()


def shoot(url: str, name: str) -> None:
    """Take a picture of a page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport=WINDOW)
        page.wait_for_timeout(SLOW)  # a server begins
        page.goto(url)
        page.wait_for_timeout(SLOW)
        page.screenshot(path=OUT / f"{name}.png")
        browser.close()


def main() -> None:
    """Take all pictures."""
    run = shoal.open(sys.argv[1])
    OUT.mkdir(parents=True, exist_ok=True)
    with serving(run.path) as url:
        shoot(url, "shoal")
    for name, draw in (("datamapplot", data_map_plot), ("embedding_atlas", embedding_atlas)):
        if find_spec(name):
            draw(run)
        else:
            print(f"{name} is not installed: left out")


if __name__ == "__main__":
    main()
