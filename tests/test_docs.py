import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer.main

import shoal
from shoal.cli.app import app
from shoal.cli.options import flag
from shoal.settings import SETTINGS

ROOT = Path(__file__).parents[1]
DOCS, SRC = ROOT / "docs", ROOT / "src" / "shoal"


def page(name):
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_documented(name):
    assert f"| `{name}` | `{flag(name)}` |" in page("reference.md")


@pytest.mark.parametrize("name", typer.main.get_command(app).commands)
def test_every_command_is_documented_with_all_its_options(name):
    text = page("reference.md").split(f"### shoal {name}\n")[1].split("\n### ")[0]
    for parameter in typer.main.get_command(app).commands[name].params:
        if getattr(parameter, "hidden", False):  # deprecated
            continue
        for spelled in parameter.opts:
            assert spelled in {"--help", "-h"} or not spelled.startswith("-") or spelled in text


def test_the_reference_is_as_the_code_says():
    done = subprocess.run(
        [sys.executable, DOCS / "build.py", "--check"], capture_output=True, text=True, check=False
    )
    assert "make docs" not in done.stderr


PAGES = [*DOCS.glob("*.md"), *ROOT.glob("*.md")]


def anchors(path):
    """Return the anchors of a page's headings, with single dashes."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for heading in re.findall(r"^#+ (.*)", text, re.MULTILINE):
        yield re.sub(r"[ -]+", "-", re.sub(r"[^\w -]", "", heading.lower()))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        if "://" not in target:
            to = path.parent / file if file else path
            assert to.exists(), target
            assert not anchor or re.sub("-+", "-", anchor) in anchors(to), target


def defined(dotted, under=SRC):
    """Return whether a module exists and names what follows, as in ``core.null.has_structure``."""
    parts = dotted.removeprefix("shoal.").split(".")
    for count in range(len(parts), 0, -1):
        path = under.joinpath(*parts[:count])
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if file.exists():
            text = file.read_text(encoding="utf-8")
            return all(re.search(rf"\b{name}\b", text) for name in parts[count:])
    return False


@pytest.mark.parametrize(
    "name",
    ["CONTRIBUTING.md", *(f"docs/{name}.md" for name in ("design", "method", "performance"))],
)
def test_modules_and_files_in_the_prose_exist(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    packages = {path.stem for path in SRC.iterdir()} | {"shoal"}
    for word in re.findall(r"`([\w./]+)`", text):
        if re.search(r"\w/\w|\.py$|^\w+/$", word):
            assert any((root / word).exists() for root in (SRC, ROOT)), word
        elif word.partition(".")[0] in packages and re.search(r"\.(?!toml|sqlite)\w", word):
            assert defined(word), word


def test_every_part_of_the_package_is_in_the_design():
    text = page("design.md")
    names = [f"{path.parent.name}/" for path in SRC.glob("*/__init__.py")]
    names += [path.name for path in SRC.glob("[!_]*.py")]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_the_way_from_a_path_to_pixels_exists():
    flow = next(part for part in page("design.md").split("```")[1::2] if part.startswith("\n"))
    for word in re.findall(r"\b[a-z_]+(?:\.\w+)+", flow):
        assert defined(word) or defined(word, SRC / "rows"), word


def test_the_run_folder_can_be_read_as_its_page_says(tmp_path, monkeypatch):
    code = re.search(r"```python\n(.*?)```", page("run-folder.md"), re.DOTALL)[1]
    rows = np.random.default_rng(0).normal(size=(300, 4)) + np.repeat([[0], [20], [50]], 100, 0)
    run = shoal.fit(rows, tmp_path / "photos.shoal", workers=1)
    monkeypatch.chdir(tmp_path)
    found: dict = {}
    exec(code, found)
    assert np.array_equal(found["labels"], run.labels())


def test_every_result_of_a_run_is_in_the_contract(tmp_path):
    rows = np.random.default_rng(0).integers(0, 255, (300, 8, 8), np.uint8)
    for options in ({}, {"representatives": 50}):
        shoal.fit(rows, tmp_path / "x.shoal", workers=1, **options)
        for path in (tmp_path / "x.shoal").glob("*/*/*"):
            stage, kind, name = path.relative_to(tmp_path / "x.shoal").parts
            text = page("run-folder.md").split(f"### {stage}\n")[1].split("\n### ")[0]
            assert f"`{kind}/{name.split('.')[0].split('-')[0]}`" in text or f"`{kind}`" in text
