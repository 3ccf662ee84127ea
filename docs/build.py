"""Write the generated part of docs/reference.md, and check the links between the pages.

``python docs/build.py`` writes it; ``--check`` only tells whether it is as the code says.
"""

import inspect
import re
import sys
from pathlib import Path

import typer.main

import shoal
from shoal.cli.app import app
from shoal.cli.options import flag, shown_default
from shoal.plots import Plots
from shoal.settings import SETTINGS
from shoal.sklearn import Shoal

DOCS = Path(__file__).parent
BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"


def commands(group: object, before: str = "shoal") -> str:
    """Describe every command of a group: what it does, arguments, options."""
    parts = []
    for word in group.list_commands(None):  # type: ignore[attr-defined]
        command, name = group.get_command(None, word), f"{before} {word}"  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            parts.append(f"### {name}\n\n{command.help}")
            parts.append(commands(command, name))
            continue
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
        usage = " ".join([name, *(a.metavar for a in arguments), "[OPTIONS]"])
        lines = [f"### {name}", "", f"`{usage}`", "", inspect.cleandoc(command.help or "")]
        rows = [(f"`{a.metavar}`".replace("|", "\\|"), a.help) for a in arguments]
        rows += [(f"`{_spelled(o)}`", o.help) for o in options if "--help" not in o.opts]
        if rows:
            lines += [
                "",
                "| option | meaning |",
                "|---|---|",
                *(f"| {left} | {right} |" for left, right in rows),
            ]
        parts.append("\n".join(lines).replace("\n\n\n", "\n\n"))
    return "\n\n".join(parts)


def _spelled(option: object) -> str:
    """Spell an option with its value."""
    words = ", ".join(sorted(option.opts, key=len))  # type: ignore[attr-defined]
    flagged = option.is_flag  # type: ignore[attr-defined]
    return words if flagged else f"{words} {option.metavar}".replace("|", "\\|")  # type: ignore[attr-defined]


def settings() -> str:
    """Describe every setting of a fit."""
    lines = ["| setting | option | default | what it does | values |", "|---|---|---|---|---|"]
    for name, setting in SETTINGS.items():
        default = re.sub(r"[\[\]]|default: ", "", shown_default(name)).strip() or "by Shoal"
        lines.append(f"| `{name}` | `{flag(name)}` | {default} | {setting.help} | {setting.rule} |")
    return "\n".join(lines)


def python() -> str:
    """Return the docstrings of the public names."""
    parts = []
    for name in sorted(shoal.__all__):
        thing = getattr(shoal, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            parts.append(_described(f"shoal.{name}", thing))
            parts += _members(thing) if inspect.isclass(thing) else []
    parts.append(_described("Run.plot: shoal.plots.Plots", Plots))
    parts += _members(Plots)
    parts.append(_described("shoal.sklearn.Shoal", Shoal))
    return "\n\n".join(parts)


def _members(thing: type) -> list[str]:
    """Describe the public methods and properties of a class."""
    if issubclass(thing, Exception):
        return []
    found = []
    # Of `Run` also what it has from the run that exports read.
    kinds = [
        kind for kind in thing.__mro__ if kind.__module__ in (thing.__module__, "shoal.fitted_run")
    ]
    members = {name: member for kind in reversed(kinds) for name, member in vars(kind).items()}
    for name, member in members.items():
        if name.startswith("_") or not (inspect.isfunction(member) or isinstance(member, property)):
            continue
        found.append(_described(f"{thing.__name__}.{name}", member, "####"))
    return found


def _described(name: str, thing: object, mark: str = "###") -> str:
    """Return the signature and the docstring of a name."""
    signature = ""
    if callable(thing) and not (inspect.isclass(thing) and issubclass(thing, Exception)):
        signature = re.sub(r"'", "", str(inspect.signature(thing)))
    text = inspect.getdoc(thing) or ""
    return f"{mark} {name}\n\n```text\n{name}{signature}\n\n{text}\n```"


def reference() -> str:
    """Return docs/reference.md as the code says."""
    page = (DOCS / "reference.md").read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    parts = (
        ("Commands", commands(typer.main.get_command(app))),
        ("Settings", settings()),
        ("Python", python()),
    )
    generated = "\n\n".join(f"## {title}\n\n{text}" for title, text in parts)
    return f"{before}{BEGIN}\n\n{generated}\n\n{END}{after}"


def broken_links() -> list[str]:
    """Return the links between pages that lead nowhere."""
    broken = []
    for page in sorted([*DOCS.glob("*.md"), DOCS.parent / "README.md"]):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    return broken


def main() -> int:
    """Write or check; give the exit code."""
    wanted, path = reference(), DOCS / "reference.md"
    broken = broken_links()
    for link in broken:
        print(f"leads nowhere: {link}", file=sys.stderr)
    stale = path.read_text(encoding="utf-8") != wanted
    if "--check" in sys.argv[1:]:
        if stale:
            print("docs/reference.md is not as the code says: run make docs", file=sys.stderr)
        return int(stale or bool(broken))
    path.write_text(wanted, encoding="utf-8")
    print(f"{path.name}: {'written' if stale else 'as it was'}")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
