"""What is handed out: the sdist, the wheel, what they install, the site, and the licences."""

import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from docs.licences import BINDING, main

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TOO_LARGE = {"torch", "spark", "bench"}  # gigabytes, or what only benchmarks need
EXTRAS = sorted(set(PROJECT["optional-dependencies"]) - {"dev"} - TOO_LARGE)


def ran(*words, **how):
    here = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = {**here, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env=environment, **how
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build an sdist and, from it, a wheel, which lacks what the sdist lacks."""
    out = tmp_path_factory.mktemp("dist")
    ran(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT)
    return out


def test_the_wheel_has_all_that_is_run_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    assert len(list(built.glob("*.tar.gz"))) == 1
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
        about = next(name for name in inside if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(about).decode()
    sources = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src/shoal").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in inside if ".dist-info/" not in name} == sources
    assert "shoal/py.typed" in inside
    assert "shoal/explore/static/index.html" in inside
    assert "License-Expression: Apache-2.0" in metadata


def test_the_pages_are_a_site_without_broken_links(tmp_path):
    words = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", tmp_path]
    ran(*words, cwd=ROOT)
    assert "shoal.api.fit" in (tmp_path / "api/index.html").read_text(encoding="utf-8")
    for page in tmp_path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert 'src="http' not in text
        assert "fonts.g" not in text


def test_no_licence_binds_who_uses_shoal(capsys):
    assert main() == 0
    assert "faiss-cpu" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "binds"),
    [
        ("GPL-3.0-only", True),
        ("AGPL-3.0", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("LGPL-2.1", False),
        ("Apache-2.0 AND MIT", False),
    ],
)
def test_which_licences_bind(name, binds):
    assert bool(BINDING.search(name)) == binds


def installed(folder, wheel):
    """Install a wheel into an environment of its own."""
    venv.create(folder, with_pip=True)
    python = folder / "bin/python"
    ran(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    return python


@pytest.mark.slow
def test_a_clean_environment_runs_the_demo(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    python = installed(tmp_path / "env", wheel)
    code = "import sys, shoal; print([m for m in ('torch', 'apache_beam') if m in sys.modules])"
    assert ran(python, "-c", code, cwd=tmp_path).strip() == "[]"
    words = [tmp_path / "env/bin/shoal", "demo", "--no-open", "--to", tmp_path / "demo"]
    assert "Against the truth" in ran(*words, cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("extra", EXTRAS)
def test_each_extra_installs_by_itself(built, tmp_path, extra):
    (wheel,) = built.glob("*.whl")
    python = installed(tmp_path / "env", f"{wheel}[{extra}]")
    assert ran(python, "-m", "shoal", "--version", cwd=tmp_path).startswith("Shoal 0.")
