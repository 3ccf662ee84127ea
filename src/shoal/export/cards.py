"""The cards of clusters in the report: pictures, or a profile for vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from html import escape

import numpy as np

from shoal.export.base import cluster_title, number, rows_word
from shoal.export.findings import ClusterFacts, Findings, named_rows
from shoal.export.pictures import LARGEST, Sprite, make_sprite, make_tiles, mean_picture, tile_side
from shoal.export.profiles import mean_profiles, profile_svg
from shoal.fitted_run import FittedRun
from shoal.rows import Source

_BUDGET = 2_600_000
_MOST_EACH = 100_000
_SIDE = 56
_LONGEST_NAME = 60


class ClusterCards(ABC):
    """Draws clusters, with or without pictures."""

    explained: str  # what the cards show

    def style(self) -> str:
        return ""

    def before(self) -> str:
        return ""

    def face(self, found: ClusterFacts) -> str:
        return ""

    @abstractmethod
    def body(self, found: ClusterFacts) -> str:
        """Return the content of a cluster's card."""


class ImageCards(ClusterCards):
    """Clusters of images, with one sprite each, all within a budget."""

    explained = (
        "The medoid is the image nearest to the mean of its cluster, followed by typical images. "
        "Unsure images lie near another cluster; outliers lie in sparse regions."
    )

    def __init__(self, source: Source, found: Findings) -> None:
        self._found = found
        side = tile_side(source, len(found.clusters))
        budget = min(_MOST_EACH, _BUDGET // max(len(found.clusters), 1))
        self._sprites = {
            c.cluster: make_sprite(_pictures(source, c, side), budget) for c in found.clusters
        }
        self._shown = side * max(1, round(_SIDE / side)) if side <= LARGEST else _SIDE

    def style(self) -> str:
        """Return the CSS of the sprites."""
        rules = [f".t{{--d:{self._shown}px;--large:{2 * self._shown}px}}"]
        rules += [
            f".s{at}{{--n:{sprite.n};background-image:url({sprite.address})}}"
            for at, sprite in self._sprites.items()
        ]
        return "\n".join(rules)

    def face(self, found: ClusterFacts) -> str:
        return self._tile(found, 0, "", "tiny")

    def body(self, found: ClusterFacts) -> str:
        medoid = self._tile(found, 0, self._label(found.medoid), "large")
        mean = self._tile(found, 1, f"Mean of {len(found.sample)} images", "large")
        parts, at = [], 2
        for title, rows in (
            ("Typical", found.typical),
            ("Unsure", found.unsure),
            ("Outliers", found.outlying),
        ):
            tiles = [self._tile(found, at + i, self._label(row)) for i, row in enumerate(rows)]
            at += len(rows)
            if tiles:
                parts.append(
                    f'<section><h4>{title}</h4><div class="tiles">{"".join(tiles)}</div></section>'
                )
        return (
            f'<div class="body"><div class="faces"><section><h4>Medoid</h4>{medoid}</section>'
            f"<section><h4>Mean</h4>{mean}</section></div>"
            f'<div class="sheet">{"".join(parts)}</div></div>'
        )

    def _tile(self, found: ClusterFacts, at: int, label: str, size: str = "") -> str:
        sprite: Sprite = self._sprites[found.cluster]
        names = f"t s{found.cluster} {size}{' sharp' if sprite.sharp else ''}"
        spoken = (
            f'role="img" aria-label="{label}" title="{label}"' if label else 'aria-hidden="true"'
        )
        return f'<span class="{" ".join(names.split())}" style="--i:{at}" {spoken}></span>'

    def _label(self, row: int) -> str:
        name = self._found.names[row]
        confidence = number(self._found.confidence[row])
        return escape(f"{_shortened(name) if name else f'row {row}'}, confidence {confidence}")


class VectorCards(ClusterCards):
    """Clusters of vectors, by the numbers that are high or low."""

    def __init__(self, run: FittedRun, found: Findings) -> None:
        self._found = found
        self._at = {c.cluster: at for at, c in enumerate(found.clusters)}
        self._profiles = mean_profiles(run.source, found.position, len(found.clusters))
        self.explained = (
            "These rows are vectors, so there are no pictures. Bars show, from the first number "
            "to the last, how far the mean of a cluster lies above or below that of all rows, in "
            f"standard deviations up to 3 (from {self._profiles.rows:,} rows)."
        )

    def body(self, found: ClusterFacts) -> str:
        values = self._profiles.values[self._at[found.cluster]]
        if np.isnan(values).any():
            drawing = "<p class=soft>None of its rows was in the sample read.</p>"
        else:
            most = int(np.abs(values).argmax())
            label = (
                f"Profile of cluster {found.cluster}: number {most} stands out most, "
                f"{values[most]:+.1f} standard deviations"
            )
            drawing = profile_svg(values, escape(label))
        lines = named_rows(found, self._name)
        return f'<div class="body">{drawing}<div class="sheet">{lines}</div></div>'

    def _name(self, row: int) -> str:
        name = self._found.names[row]
        return escape(_shortened(name) if name else str(row))


def card(cards: ClusterCards, source: Source, found: ClusterFacts, most: int) -> str:
    facts = [
        f"{rows_word(source, found.size)}, {100 * found.share:.1f}%",
        f"confidence {number(found.confidence)}",
    ]
    if np.isfinite(found.excess):
        facts.append(f"excess {number(found.excess)}")
    if found.outliers:
        facts.append(f"{found.outliers:,} outlier{'s' if found.outliers > 1 else ''}")
    label = "".join(f'<span class="soft">{fact}</span>' for fact in facts)
    return (
        f'<article class="panel cluster" id="cluster-{found.cluster}">'
        f'<div class="head"><h3>{escape(cluster_title(found.cluster, found.name))}</h3>{label}'
        f'<a href="#clusters" aria-label="Back to the top of the clusters">top ↑</a></div>'
        f'<div class="bar" aria-hidden="true"><i style="width:{100 * found.size / most:.1f}%">'
        f"</i></div>{cards.body(found)}</article>\n"
    )


def _pictures(source: Source, found: ClusterFacts, side: int) -> np.ndarray:
    """Return the pictures of a sprite: medoid, mean, then the others in order."""
    rows = [found.medoid, *found.typical, *found.unsure, *found.outlying]
    tiles = make_tiles(source, rows, side)
    mean = mean_picture(source, found.sample, side)
    return np.concatenate([tiles[:1], mean[None], tiles[1:]])


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"…{name[-_LONGEST_NAME:]}"
