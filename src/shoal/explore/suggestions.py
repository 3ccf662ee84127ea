"""Names that rows suggest for clusters: by folders, columns beside them, telling columns, words.

A suggestion is never a name until somebody accepts it.
"""

from __future__ import annotations

import re
from collections import Counter
from posixpath import dirname

import numpy as np
from numpy.typing import NDArray

from shoal.explore.cuts import Cut
from shoal.explore.explorer import Explorer
from shoal.explore.metadata import Metadata
from shoal.explore.numbers import read_cells
from shoal.explore.words import named_by_words
from shoal.export.traits import NORMAL_QUARTILES, Traits, column_quantiles, gather_traits
from shoal.rows.tables.mixed import TableSource

# A value names a cluster when most of its rows have it, and at least twice as many as of all rows:
# a folder that everything is in tells nothing.
_MOST = 0.6
_LIFT = 2.0
# Of three even groups, low, middle and high, the outer ones lie at 0.67 deviations (quartiles are
# the measure); half of one is said in reports, where the figure stands beside it.
_TELLING = 0.6
_WORDS = 2
_SAMPLE = 400  # rows of a cluster: a share of 0.6 is then known within 0.05
_MOST_ROWS = 2_000_000


def suggested(explorer: Explorer, cut: Cut) -> dict[int, str]:
    """Return a name for each cluster of a cut that something speaks for, by id."""
    if explorer.atlas.n_positions > _MOST_ROWS:
        return {}
    folders = _majorities(cut, _folders(explorer, cut))
    source = None if explorer.source_trouble else explorer.run.source
    table = None if source is None else source.as_table()
    if table is not None:
        found = _by_columns(cut, table)
    elif source is not None and explorer.numbers is not None and explorer.numbers.names is not None:
        found = _by_numbers(explorer, cut, explorer.numbers.names)
    else:
        found = {**named_by_words(explorer, cut), **_by_metadata(cut, explorer.metadata), **folders}
    return _distinct(found, dict(zip(cut.ids.tolist(), cut.sizes.tolist(), strict=True)))


def _folders(explorer: Explorer, cut: Cut) -> list[list[str]]:
    atlas = explorer.atlas
    if not atlas.result.summary["named"]:
        return []
    spread = [atlas.rows[_spread(cut, number)] for number in range(len(cut.ids))]
    return [[dirname(name or "") for name in atlas.names(rows)] for rows in spread]


def _spread(cut: Cut, number: int) -> NDArray[np.int64]:
    """Return some positions of a cluster, evenly spread over it."""
    positions = cut.positions_of(number)
    at = np.unique(
        np.linspace(0, max(len(positions) - 1, 0), min(len(positions), _SAMPLE)).astype(int)
    )
    return positions.take(at)


def _majorities(cut: Cut, values: list[list[str]]) -> dict[int, str]:
    """Return the value that most rows of a cluster have, where that sets it apart, by id."""
    if not values:
        return {}
    weights = cut.sizes / max(int(cut.sizes.sum()), 1)
    shares = [{v: n / len(each) for v, n in Counter(each).items()} for each in values]
    overall: Counter[str] = Counter()
    for weight, share in zip(weights.tolist(), shares, strict=True):
        for value, part in share.items():
            overall[value] += weight * part
    found = {}
    for cluster, share in zip(cut.ids.tolist(), shares, strict=True):
        value, part = max(share.items(), key=lambda item: item[1], default=("", 0.0))
        name = value.rstrip("/").rpartition("/")[2]
        if name and part >= _MOST and part >= _LIFT * overall[value]:
            found[cluster] = name
    return found


def _by_metadata(cut: Cut, metadata: Metadata | None) -> dict[int, str]:
    """Name clusters by the first column of categories beside the rows that tells each apart."""
    found: dict[int, str] = {}
    for column in metadata.columns if metadata is not None else ():
        if column.kind != "category":
            continue
        codes, known = column.codes
        rows = [codes[cut.atlas.rows[_spread(cut, number)]] for number in range(len(cut.ids))]
        values = [[known[code] if code >= 0 else "" for code in each.tolist()] for each in rows]
        found = {**_majorities(cut, values), **found}
    return found


def _by_columns(cut: Cut, table: TableSource) -> dict[int, str]:
    """Name clusters of a table by what its columns say of them: "high income, low spending"."""
    traits = gather_traits(table, cut.row_labels(), len(cut.ids))
    named = ((c, _phrase(traits, number)) for number, c in enumerate(cut.ids.tolist()))
    return {cluster: phrase for cluster, phrase in named if phrase}


def _by_numbers(explorer: Explorer, cut: Cut, names: list[str]) -> dict[int, str]:
    rows, cells = explorer.kept("cells", lambda: read_cells(explorer))
    positions = explorer.atlas.positions[rows].astype(np.int64)
    cells, at = cells[positions >= 0], cut.labels(positions[positions >= 0])
    low, middle, high = column_quantiles(cells, (0.25, 0.5, 0.75)).T
    spread = np.where(high > low, (high - low) / NORMAL_QUARTILES, np.inf)
    found = {}
    for number, cluster in enumerate(cut.ids.tolist()):
        away = np.nan_to_num(
            (column_quantiles(cells[at == number], (0.5,))[:, 0] - middle) / spread
        )
        best = np.argsort(-np.abs(away), kind="stable")[:_WORDS]
        words = [
            f"{'high' if away[c] > 0 else 'low'} {plain(names[c])}"
            for c in best.tolist()
            if abs(away[c]) >= _TELLING
        ]
        if words:
            found[cluster] = ", ".join(words)
    return found


def _phrase(traits: Traits, cluster: int) -> str:
    words: list[str] = []
    for at in np.argsort(-traits.telling[cluster], kind="stable").tolist():
        if traits.telling[cluster, at] < _TELLING or len(words) == _WORDS:
            break
        shares = traits.shares[at]
        if shares is None:
            mine, all_ = traits.quartiles[[cluster, -1], at, 1]
            words.append(f"{'high' if mine > all_ else 'low'} {plain(traits.columns[at].name)}")
        else:
            label = int(np.argmax(shares[cluster] - shares[-1]))
            if shares[cluster, label] >= _MOST:
                words.append(traits.columns[at].labels[label])
    return ", ".join(words)


def plain(header: str) -> str:
    """Return a header in words: without units, in small letters.

    >>> plain("Annual Income (k$)"), plain("spending_score"), plain("GDP"), plain("(k$)")
    ('annual income', 'spending score', 'GDP', '(k$)')
    """
    text = re.sub(r"\s*[(\[].*?[)\]]", "", header).replace("_", " ").strip() or header
    return " ".join(word if word.isupper() else word.lower() for word in text.split())


def _distinct(names: dict[int, str], sizes: dict[int, int]) -> dict[int, str]:
    """Put numbers behind names that several clusters would have, the largest first."""
    taken: Counter[str] = Counter()
    found = {}
    for cluster in sorted(names, key=lambda cluster: (-sizes[cluster], cluster)):
        name = names[cluster]
        taken[name.lower()] += 1
        times = taken[name.lower()]
        found[cluster] = name if times == 1 else f"{name} {times}"
    return found
