"""Every target of the Makefile that a page names, or that is declared, has commands of its own."""

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from benchmarks.__main__ import BENCHMARKS

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
COMMAND = re.compile(r"(?:^ {4}|`)make ([a-z][a-z-]*)", re.MULTILINE)

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="there is no make here")


def documented():
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    heading = MAKEFILE.partition("\n\n")[0]
    found = {name for text in texts for name in COMMAND.findall(text)}
    return found | set(re.findall(r"\bmake ([a-z-]+)", heading))


def declared():
    return set(re.search(r"^\.PHONY: (.*)", MAKEFILE, re.MULTILINE)[1].split())


@functools.cache
def dry_run(target):
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", target, "PYTHON=python3", "TSC=tsc"],
        cwd=ROOT,
        # without the arguments that `make test ARGS=…` hands on
        env={name: value for name, value in os.environ.items() if "MAKE" not in name},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Nothing to be done" not in done.stdout
    return done.stdout


def test_the_pages_name_targets():
    assert {"demo", "test", "bench", "bench-tiles", "bench-photos", "types-js"} <= documented()


@pytest.mark.parametrize(
    "target", sorted(documented() | declared() | {f"bench-{name}" for name in BENCHMARKS})
)
def test_every_target_has_commands_of_its_own(target):
    # a target without a recipe still runs its prerequisites, of which `dev` is the longest
    commands = dry_run(target)
    assert commands.strip()
    if target not in ("dev", "venv"):
        assert commands not in (dry_run("dev"), dry_run("venv"))
    if target.startswith("bench-"):
        assert commands.strip().endswith(f"-m benchmarks {target.removeprefix('bench-')}")
