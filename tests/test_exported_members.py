import importlib
import pkgutil
import pydoc
import subprocess
import sys
from types import ModuleType

import pytest

import shoal

MODULES = sorted(
    m.name
    for m in pkgutil.walk_packages(shoal.__path__, "shoal.")
    if not m.name.endswith("__main__")
)
HEAVY = ["torch", "apache_beam", "starlette", "uvicorn", "matplotlib", "umap", "numba", "faiss"]


@pytest.mark.parametrize("name", ["shoal", *MODULES])
def test_what_a_module_exports_exists_and_is_listed_once(name):
    if name == "shoal.engines.spark":
        pytest.importorskip("pyspark")
    module = importlib.import_module(name)
    exported = list(getattr(module, "__all__", []))
    assert len(set(exported)) == len(exported)
    for member in exported:
        assert hasattr(module, member), f"{name} exports {member}, which it does not have"


def test_every_public_name_is_listed():
    public = {
        name
        for name, value in vars(shoal).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public <= set(shoal.__all__)


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("shoal", HEAVY),
        # 0.5, 0.1, 0.1 and 0.2 s of the first answer, and seldom needed for it
        ("shoal.api", ["scipy.stats", "scipy.spatial", "scipy.ndimage", "sklearn"]),
    ],
)
def test_importing_is_cheap(module, heavy):
    code = f"import sys, {module}; print(*(m for m in {heavy} if m in sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.split() == []


def test_help_begins_with_what_people_call():
    text = pydoc.plain(pydoc.render_doc(shoal))
    first = text[: text.index("PACKAGE CONTENTS")]
    for call in ("shoal.fit(", "shoal.open(", "run.labels(", "run.predict("):
        assert call in first
