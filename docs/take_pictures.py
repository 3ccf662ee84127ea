"""Take pictures of the explorer's most telling states, and ask axe-core about each.

``python docs/take_pictures.py`` makes its own runs (digits, drawn photos, a table, 200 rows and
20,000) and writes build/states/*.png; ``--photos SOURCE`` takes photos of yours, ``--many RUN`` a
large run of yours (of which it takes a copy), such as the million tiles of ``make bench-tiles``,
``--only NAME`` some of the states. It ends with 1 where axe-core finds something serious.
"""

import argparse
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from playwright.sync_api import Page, sync_playwright
from sklearn.datasets import load_digits

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.explore.browsing import CHROMIUM, PATIENCE, faults_of, ready, serving, until

import shoal
from shoal.explore.prepare import prepare_leaves, prepare_map
from shoal.palettes import make_palette
from shoal.storage import RunFolder

OUT = Path(__file__).parents[1] / "build" / "states"
DESK, PHONE = (1440, 900), (390, 844)
IN_DOCS = {"01-digits": "explorer.png", "13-photos": "explorer-photos.png"}


def press(*keys: str, wait: str = ""):
    """Press keys, then wait for something to be there."""

    def done(page: Page) -> None:
        for key in keys:
            page.keyboard.press(key)
            page.wait_for_timeout(150)
        if wait:
            page.wait_for_selector(wait)

    return done


def click(name: str, wait: str = "", role: str = "button"):
    """Click what has a name."""

    def done(page: Page) -> None:
        page.get_by_role(role, name=name).first.click()
        if wait:
            page.wait_for_selector(wait)

    return done


def nothing(page: Page) -> None:
    """Leave the page as it opens."""


def similar(page: Page) -> None:
    """Search for what is like the first image."""
    page.locator(".grid .cell").first.click()
    page.get_by_role("button", name="Find similar").click()
    page.wait_for_selector("aside .tiles .thumb")


def export(page: Page) -> None:
    """Choose to export for another program."""
    page.keyboard.press("e")
    page.get_by_role("radio", name="Images for another program").check()


# Name: run, address, theme, size of the window, what is done.
STATES = {
    "01-digits": ("digits", "", "light", DESK, nothing),
    "02-digits-dark": ("digits", "", "dark", DESK, nothing),
    "03-cluster": ("digits", "c=0", "light", DESK, nothing),
    "04-unsure-dark": ("digits", "c=7&o=boundary", "dark", DESK, nothing),
    "05-image": ("digits", "c=3&i=3", "light", DESK, nothing),
    "06-tree": ("digits", "", "light", DESK, click("Tree", ".leaf")),
    "07-compare": ("digits", "", "light", DESK, press("c", wait=".flow path")),
    "08-review": ("digits", "", "light", DESK, press("w", wait=".review .tiles .thumb")),
    "09-split": ("digits", "c=0", "light", DESK, press("k", wait=".parts .thumb")),
    "10-merge-dark": ("digits", "c=0.2", "dark", DESK, press("g", wait="dialog")),
    "11-map-selected-dark": ("digits", "c=0.4", "dark", DESK, click("Selection")),
    "24-tray": ("digits", "c=1", "light", DESK, press("t", wait=".tray .thumb")),
    "25-duplicates": ("photos", "", "light", DESK, press("u", wait="aside .field")),
    "12-export": ("digits", "c=1", "light", DESK, export),
    "13-photos": ("photos", "", "light", DESK, nothing),
    "14-photos-map-dark": ("photos", "m=2_0.5_0.5", "dark", DESK, nothing),
    "15-photos-filter": ("photos", "", "light", DESK, press("i", wait="aside .facet, aside input")),
    "16-photos-alike": ("photos", "c=0&o=typical", "light", DESK, similar),
    "17-table": ("table", "", "light", DESK, nothing),
    "18-table-columns-dark": ("table", "", "dark", DESK, press("d", wait="aside svg")),
    "19-few-rows": ("few", "", "light", DESK, nothing),
    "20-many-rows": ("many", "", "light", DESK, nothing),
    "20-many-rows-pictures-dark": ("many", "m=6_0.5_0.5", "dark", DESK, nothing),
    "21-phone-clusters": ("photos", "t=clusters", "light", PHONE, nothing),
    "22-phone-images-dark": ("photos", "c=0", "dark", PHONE, nothing),
    "23-phone-map": ("digits", "t=map", "light", PHONE, nothing),
    "26-photos-near": ("photos", "m=3_0.5_0.5", "light", DESK, nothing),
    "27-few-rows-dark": ("few", "", "dark", DESK, nothing),
    "28-phone-tray-dark": ("photos", "c=0", "dark", PHONE, press("t", wait=".tray .thumb")),
    "29-views": ("photos", "", "light", DESK, press("v", wait="aside form")),
}


def photos(folder: Path) -> Path:
    """Draw 200 photos of four kinds: suns over the sea, trees, flowers, houses at night."""
    draw = np.random.default_rng(0)
    for number in range(200):
        kind = ("sea", "trees", "flower", "night")[number % 4]
        path = folder / kind / f"{number:03d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        photo(kind, draw).save(path, quality=88)
    return folder


def photo(kind: str, draw: np.random.Generator) -> Image.Image:
    """Draw one photo, 240 by 180."""
    wide, tall = 240, 180
    tops = {"sea": (250, 170, 90), "trees": (180, 215, 235), "flower": (60, 110, 45)}
    ends = {"sea": (30, 60, 120), "trees": (60, 110, 50), "flower": (25, 60, 25)}
    top, end = tops.get(kind, (15, 18, 45)), ends.get(kind, (45, 40, 70))
    shade = np.linspace(top, end, tall)[:, None] + draw.normal(0, 6, (tall, wide, 3))
    image = Image.fromarray((shade + draw.normal(0, 12, 3)).clip(0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    x, y = (int(v) for v in draw.uniform((70, 60), (170, 110)))
    if kind == "sea":
        pen.ellipse((x - 24, y - 44, x + 24, y + 4), (255, 240, 190))
        pen.rectangle((0, y, wide, tall), (25, 70, 120))
        for line in range(y + 4, tall, 9):
            pen.line((x - 30, line, x + 30, line), (250, 200, 140), 2)
    elif kind == "trees":
        for stem in draw.uniform(0, wide, 9):
            pen.rectangle((stem, 60, stem + 7, tall), (70, 50, 35))
            pen.ellipse((stem - 22, 20, stem + 30, 95), (30, int(draw.uniform(80, 150)), 40))
    elif kind == "flower":
        petal = tuple(int(v) for v in draw.choice([(230, 60, 90), (240, 190, 40), (180, 90, 210)]))
        for turn in np.arange(0, 2 * np.pi, np.pi / 4):
            px, py = x + 30 * np.cos(turn), y + 30 * np.sin(turn)
            pen.ellipse((px - 20, py - 20, px + 20, py + 20), petal)
        pen.ellipse((x - 16, y - 16, x + 16, y + 16), (90, 60, 20))
    else:
        for left in range(0, wide, 40):
            roof = int(draw.uniform(30, 110))
            pen.rectangle((left, roof, left + 36, tall), (35, 35, 45))
            for at in range(roof + 8, tall, 18):
                for window in range(left + 5, left + 32, 11):
                    lit = draw.random() < 0.6
                    pen.rectangle((window, at, window + 6, at + 9), (250, 220, 120) if lit else 60)
    return image.filter(ImageFilter.GaussianBlur(0.8))


def table(path: Path) -> Path:
    """Write 400 customers of four kinds."""
    draw = np.random.default_rng(0)
    middles = np.array([[25, 30, 80], [45, 90, 20], [35, 85, 85], [60, 35, 25]])
    rows = np.repeat(middles, 100, axis=0) + draw.normal(0, 6, (400, 3))
    cities = draw.choice(["Lyon", "Porto", "Ghent"], 400)
    people = enumerate(zip(rows.tolist(), cities, strict=True))
    lines = [f"{at},{a:.0f},{m:.1f},{s:.0f},{city}" for at, ((a, m, s), city) in people]
    path.write_text("id,age,income,spending,city\n" + "\n".join(lines))
    return path


def runs(folder: Path, wanted: set[str], given: Path | None, large: Path | None) -> dict[str, Path]:
    """Fit what the pictures are of."""
    digits = (load_digits().images * 15).astype(np.uint8)
    makers = {
        "digits": lambda: digits,
        "few": lambda: digits[:200],
        "photos": lambda: given or photos(folder / "photos"),
        "table": lambda: table(folder / "customers.csv"),
        "many": lambda: many(digits, 20_000),
    }
    found = {}
    for name in sorted(wanted):
        found[name] = folder / f"{name}.shoal"
        if name == "many" and large is not None:
            shutil.copytree(large, found[name])
        else:
            rows = makers[name]()
            if isinstance(rows, np.ndarray):
                np.save(folder / f"{name}.npy", rows)
                rows = folder / f"{name}.npy"
            shoal.fit(rows, found[name])
        run = RunFolder.open(found[name])
        prepare_leaves(run, found[name])
        prepare_map(run, found[name])
    return found


def many(images: np.ndarray, n: int) -> np.ndarray:
    """Make many digits of few, each moved and dimmed a little."""
    draw = np.random.default_rng(0)
    chosen = images[draw.integers(0, len(images), n)].astype(np.float32)
    large = np.pad(chosen.repeat(2, 1).repeat(2, 2), ((0, 0), (2, 2), (2, 2)))
    moved = [np.roll(one, draw.integers(-2, 3, 2), (0, 1)) for one in large]
    return (np.array(moved) * draw.uniform(0.7, 1, (n, 1, 1))).astype(np.uint8)


def main() -> int:
    """Take the pictures; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="photos: a folder, a .tar, …")
    parser.add_argument("--many", type=Path, help="a large run")
    parser.add_argument("--only", nargs="*", default=[""], help="parts of names of states")
    parser.add_argument("--docs", action="store_true", help="renew those in docs/pictures, too")
    given = parser.parse_args()
    chosen = {n: s for n, s in STATES.items() if any(part in n for part in given.only)}
    OUT.mkdir(parents=True, exist_ok=True)
    serious = 0
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        playwright = stack.enter_context(sync_playwright())
        made = runs(Path(folder), {run for run, *_ in chosen.values()}, given.photos, given.many)
        urls = {name: stack.enter_context(serving(path)) for name, path in made.items()}
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        for name, (run, hash_, theme, (wide, tall), act) in chosen.items():
            size = {"width": wide, "height": tall}
            page = browser.new_page(viewport=size, color_scheme=theme, reduced_motion="reduce")
            page.set_default_timeout(1000 * PATIENCE)
            page.goto(f"{urls[run]}#{hash_}")
            until(page, "document.querySelector('.card') !== null")
            act(page)
            if (wide, tall) != PHONE:  # where hidden parts load nothing
                ready(page)
            page.wait_for_timeout(1500)  # tiles of the map
            path = OUT / f"{name}.png"
            page.screenshot(path=path)
            if given.docs and name in IN_DOCS:
                out = Path(__file__).parent / "pictures" / IN_DOCS[name]
                make_palette(path, 128).write(out, force=True)  # fewer bytes
            faults = faults_of(page)
            print(f"{name}: {faults or 'nothing serious'}")
            serious += len(faults)
            page.close()
        browser.close()
    return int(serious > 0)


if __name__ == "__main__":
    sys.exit(main())
