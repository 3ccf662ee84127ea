"""Every command that writes CSV quotes what a spreadsheet would run, when asked to."""

import csv
import shutil

import pytest


@pytest.fixture(scope="module")
def odd(photos, tmp_path_factory):
    """The photos, one of them under a name that would be run."""
    root = shutil.copytree(photos, tmp_path_factory.mktemp("odd") / "photos")
    first = sorted((root / "digit-0").iterdir())[0]
    first.rename(root / "=cmd|' calc'!A1.png")
    return root


@pytest.fixture(scope="module")
def odd_run(shoal, odd):
    out = odd.with_suffix(".shoal")
    assert shoal("fit", odd, "-o", out, "--quiet").exit_code == 0
    return out


COMMANDS = {
    "labels": lambda run, source, out: ["labels", run, "-o", out],
    "predict": lambda run, source, out: ["predict", run, source, "-o", out, "--quiet"],
    "export": lambda run, source, out: ["export", run, "--to", out, "--as", "csv"],
    "duplicates": lambda run, source, out: ["duplicates", source, "-o", out, "--quiet"],
    "quality": lambda run, source, out: ["quality", source, "-o", out, "--quiet"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_name_that_would_be_run_is_quoted(shoal, odd, odd_run, tmp_path, command):
    copy = tmp_path / "copy.png"
    shutil.copy(next(odd.glob("=*")), copy)
    source = odd
    if command == "duplicates":
        source = shutil.copytree(odd, tmp_path / "photos")
        shutil.copy(copy, source / "copy.png")
    for quoted in (False, True):
        out = tmp_path / f"{quoted}.csv"
        words = COMMANDS[command](odd_run, source, out)
        result = shoal(*words, *(["--quote-formulas"] if quoted else []))
        assert result.exit_code == 0, result.stderr
        with out.open(newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        name = "=cmd|' calc'!A1.png"
        assert (f"'{name}" in cells, name in cells) == (quoted, not quoted)


@pytest.mark.parametrize(
    "words",
    [
        ["labels", "RUN"],
        ["labels", "RUN", "-o", "x.parquet"],
        ["export", "RUN", "--to", "x", "--as", "html"],
        ["predict", "RUN", "x.npy", "-o", "x.npy"],
    ],
)
def test_quotes_in_another_form_are_refused(shoal, odd_run, tmp_path, words):
    result = shoal(*(odd_run if word == "RUN" else word for word in words), "--quote-formulas")
    assert result.exit_code == 2
    assert "--quote-formulas is for CSV" in result.stderr
