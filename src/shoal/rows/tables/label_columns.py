"""Columns that answer the question instead of asking it: labels, targets, earlier clusters."""

from __future__ import annotations

import re
from collections.abc import Sequence

from shoal.rows.tables.columns import Column
from shoal.rows.tables.vector_columns import numbered

LOOKS = "looks like the answer"
"""How the reason begins for which such a column is left out."""

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
_SURE = re.compile(
    r"((true|gold|gt|ground_truth|fine|coarse)_)?(labels?|targets?)"
    r"(_(ids?|names?|idx|index|code|class|encoded|num|text))?"
    r"|y_true|gt|(ground_)?truth|class_(labels?|ids?|names?|idx|index)|species(_(id|name))?"
    r"|clusters?(_(ids?|labels?|names?))?"
)
# Names that attributes have, too, such as a passenger's class: no answer beside other categories.
_LIKELY = re.compile(r"class(es)?|cls|categor(y|ies)|y|variety|outcome|diagnosis")
_OWN = ("row", "cluster", "confidence", "outlier", "unknown", "cluster_name", "mark")
# Fewest columns of fractions beside which the only column of codes is taken for an answer, and
# fewest numbered ones that are taken for a network's output; they separate the tables that
# were tried, whatever the values between 6 and 12, and 20 and 60.
_MANY, _NETWORK = 8, 32
_MOST_CODES = 30


def find_answers(columns: Sequence[Column], *, aside: bool = False) -> dict[str, str]:
    """Find the columns that look like answers, each with the reason.

    None where nothing else could be clustered by, unless the rows are something else (`aside`),
    such as a column of lists.
    """
    found = {c.name: _reason(c) for c in columns if _is_answer(c, columns)}
    own = {c.name for c in columns} & set(_OWN)
    if {"cluster", "confidence"} <= own and own & {"outlier", "unknown"}:
        found |= {name: "written by Shoal" for name in own if name != "cluster"}
    rest = [c for c in columns if c.name not in found]
    found |= {c.name: _reason(c) for c in _beside_vectors(rest)}
    left = [c for c in columns if c.name not in found]
    return found if aside or any(c.values > 1 and (c.numeric or c.is_code) for c in left) else {}


def answers_in(left_out: Sequence[tuple[str, str]]) -> list[str]:
    """Find the columns that can be compared with, among those left out for a reason."""
    return [name for name, why in left_out if why.startswith(LOOKS) and "--truth" in why]


def _reason(column: Column) -> str:
    compare = f"--truth {column.name} compares with it, " if column.is_code else ""
    return f"{LOOKS}: {compare}--columns uses it"


def _is_answer(column: Column, columns: Sequence[Column]) -> bool:
    words = "_".join(word.lower() for word in _WORDS.split(column.name) if word)
    if column.values < 2:
        return False
    if _SURE.fullmatch(words):
        return True
    if not _LIKELY.fullmatch(words) or not column.is_code:
        return False
    others = [other for other in columns if other is not column]
    if words == "y" and any(other.name.lower() == "x" for other in others):
        return False  # coordinates
    numbers = [other for other in others if other.numeric and other.values > 2]
    mixed = any(other.is_category and not _is_named(other) for other in others)
    return len(numbers) >= 2 and not mixed


def _is_named(column: Column) -> bool:
    words = "_".join(word.lower() for word in _WORDS.split(column.name) if word)
    return bool(_SURE.fullmatch(words) or _LIKELY.fullmatch(words))


def _beside_vectors(columns: Sequence[Column]) -> list[Column]:
    """Find columns of codes beside many of fractions, whatever they are called."""
    floats = [c for c in columns if c.numeric and not c.whole]
    others = [c for c in columns if c.values > 1 and (c.whole or not c.numeric)]
    family = numbered(floats)
    all_numbered = len(family) == len(floats)
    if all_numbered and len(floats) >= _NETWORK and all(not c.numeric or c.counts for c in others):
        return others
    codes = [c for c in others if c.is_code and c.values <= _MOST_CODES]
    if len(floats) < _MANY or len(codes) != 1:
        return []
    code = codes[0]
    if code.is_category:  # a flag or a text is an attribute of a table, but no part of a vector
        return codes if all_numbered and len(others) == 1 else []
    if len(others) == 1:
        return codes
    ends = (columns[0], columns[-1])
    nameless = all_numbered and len(numbered([*floats, code])) > len(floats)
    return codes if nameless and code.counts and code in ends else []
