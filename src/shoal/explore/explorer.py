"""State of a run in the explorer: its cuts, sets and pictures, computed once and cached."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shoal.api import Run
from shoal.edits import Curation
from shoal.edits.review import Question, Reviewer
from shoal.edits.state import State, first_state, same_rows
from shoal.errors import InputError, ShoalError
from shoal.explore.area import positions_within
from shoal.explore.atlas import Atlas, Cache, Value
from shoal.explore.colours import cut_colours, palette, piece_colours
from shoal.explore.copies import Copies
from shoal.explore.cuts import Cut
from shoal.explore.facets import Facets, beside_cut
from shoal.explore.map_layout import Apart, Shown
from shoal.explore.metadata import Metadata
from shoal.explore.names import names_in
from shoal.explore.numbers import Numbers
from shoal.explore.orders import Ordered, ordered, ordered_or_closest
from shoal.explore.pictures import Pictures, open_pictures
from shoal.explore.positions import Positions
from shoal.explore.tiles import FINE
from shoal.features import WORDED
from shoal.stages.map import COARSE
from shoal.storage import RunFolder

if TYPE_CHECKING:
    from shoal.explore.parts import OwnFit

SET_FIELDS = ("clusters", "rows", "area", "apart", "where")
"""What a set of rows can be made of: see `shoal.explore.routes.FIELDS`."""

_MOST_CLUSTERS = 1000  # limit of the slider
_COUNTED = 5_000_000
_SHARED = 40


@dataclass(frozen=True)
class Chosen:
    """A set of rows: of clusters, single rows, or those in an outline on the map."""

    positions: Positions
    cut: str  # name of the cut that it refers to; empty for all rows
    clusters: tuple[int, ...] | None = None  # their numbers, if it consists of whole clusters


@dataclass
class Explorer:
    """A run with everything that requests need of it."""

    run: Run
    home: Path  # folder of the leaves and the map
    read_only: bool = False
    other: Run | None = None  # for comparison
    metadata: Metadata | None = None
    # Candidate names of clusters, for features that also encode text; by default common nouns.
    words: tuple[str, ...] = ()
    _cuts: Cache = field(default_factory=lambda: Cache(16))
    _sets: Cache = field(default_factory=lambda: Cache(64))
    _orders: Cache = field(default_factory=lambda: Cache(24))
    _lines: Cache = field(default_factory=lambda: Cache(400))
    _tiles: Cache = field(default_factory=lambda: Cache(256))
    _recent: deque[Cut] = field(default_factory=lambda: deque(maxlen=4))
    progress: dict[str, Any] = field(default_factory=lambda: {"share": 0.0, "trouble": None})
    specs: dict[str, dict[str, Any]] = field(default_factory=dict)
    last_request: float = 0.0
    own_fit: OwnFit | None = None
    own_lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def atlas(self) -> Atlas:
        return Atlas(RunFolder.open(self.run.path), self.home)

    @cached_property
    def curation(self) -> Curation:
        return self.run.edits

    @cached_property
    def _reviewer(self) -> Reviewer:
        return Reviewer(self.curation)

    @cached_property
    def version(self) -> str:
        """Changes with the fit; browsers cache pictures and tiles under it."""
        return self.atlas.leaves.read_receipt().fingerprint[:12]

    @cached_property
    def source_trouble(self) -> str | None:
        """The reason why the source cannot be read, or None."""
        try:
            _ = self.run.source
        except ShoalError as error:
            return str(error)
        return None

    @cached_property
    def pictures(self) -> Pictures | None:
        """Pictures of the rows; None if they are not images or cannot be read."""
        return None if self.source_trouble else open_pictures(self.run.source)

    @cached_property
    def most_clusters(self) -> int:
        finest = max(layer.k for layer in self.run.layers)
        return int(min(self.run.tree.n_leaves, _MOST_CLUSTERS, max(60, 4 * finest)))

    @cached_property
    def facets(self) -> Facets:
        return Facets(self)

    @cached_property
    def copies(self) -> Copies:
        return Copies(self)

    @cached_property
    def _sides(self) -> NDArray[np.int64]:
        """The side of each split that gets a new colour."""
        return piece_colours(self.run.tree, self.atlas.counts, self.most_clusters)

    @cached_property
    def usual(self) -> float:
        """Rows in a spot of the map that is drawn at full strength."""
        counts = np.diff(self.atlas.cells[:: 4 ** (COARSE - FINE)])
        return float(np.quantile(counts[counts > 0], 0.9)) if counts.any() else 1.0

    @cached_property
    def cell_bits(self) -> int:
        """A tile has 2^bits by 2^bits cells with a picture each, of 32 or 64 pixels."""
        return 4 if self.pictures is not None and self.pictures.small else 3

    @cached_property
    def dot(self) -> int:
        """Diameter of a dot in pixels: larger if there are few rows."""
        return 10 if self.atlas.n_positions <= 500 else 6 if self.atlas.n_positions <= 5000 else 0

    @cached_property
    def pictures_from(self) -> int:
        """The zoom from which the map shows pictures, because few rows share one."""
        cells = self.atlas.cells
        for zoom in range(1, COARSE - self.cell_bits + 1):
            counts = np.diff(cells[:: 4 ** (COARSE - zoom - self.cell_bits)])
            if self.atlas.n_positions <= _SHARED * (counts > 0).sum():
                return zoom
        return COARSE - self.cell_bits + 1

    @cached_property
    def apart(self) -> Apart:
        return Apart(self.atlas, self.pictures_from, self.cell_bits)

    def shown(self, where: tuple[int, int, int], true: bool) -> Shown:
        """Return the pictures of a tile, at their exact positions or moved apart."""
        return self._tiles.get(("shown", where, true), lambda: self.apart.of_tile(*where, true))

    @cached_property
    def numbers(self) -> Numbers | None:
        """Numbers or cells of the rows; None for images, and if the source cannot be read."""
        if self.source_trouble or self.run.source.kind == "images":
            return None
        return Numbers(self.run.source)

    @cached_property
    def knows_words(self) -> bool:
        """True if the encoder of the features also encodes text."""
        return self.atlas.result.encoder["name"] in WORDED

    # Cuts.

    def cut(self, k: int | None) -> Cut:
        """Return the cut into k, or the clusters as edited.

        A cut has a name, by K or by the last edit, which is its cache key, because others may edit
        at any moment.
        """
        if k is None:
            seq, state = self.curation.now()
            return self._cuts.get(f"e{seq}", lambda: self._new_cut(state, f"e{seq}"))
        if not 1 <= k <= self.atlas.result.tree.n_leaves:
            raise InputError(f"k {k}: give 1 to {self.atlas.result.tree.n_leaves:,}")
        base = self.curation.fit.base
        return self._cuts.get(f"k{k}", lambda: self._new_cut(first_state(base(k)), f"k{k}"))

    def _new_cut(self, state: State, name: str) -> Cut:
        """Build a cut, and reuse results of earlier cuts for clusters that are the same."""
        cut, recent = Cut(self.atlas, state, name), list(self._recent)
        same = next((c for c in reversed(recent) if same_rows(c.state, state)), None)
        if same is not None:
            cut.reuse_all(same)
        elif recent:
            cut.reuse_clusters(recent[-1])
        self._recent.append(cut)
        return cut

    def names(self, cut: Cut) -> list[str | None]:
        """Return the name of each cluster of a cut, (c,); see `names_in`."""
        edited = self.cut(None)
        return self.kept(("names", cut.name, edited.name), lambda: names_in(cut, edited))

    def kept(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return a cached value, computed once; cuts go into keys by their names."""
        return self._lines.get(key, make)

    def colours(self, cut: Cut) -> NDArray[np.int64]:
        """Return the colour number of each cluster of a cut, (c,)."""
        base, tree = cut.state.base, self.run.tree
        pieces = cut_colours(tree, self._sides, base.k)
        ids = base.labels[tree.order[tree.bounds(base.k)[:-1]]]
        known = dict(zip(ids.tolist(), pieces.tolist(), strict=True))
        fresh = base.k - 1 - max(known)
        return np.array([known.get(c, c + fresh) % len(palette()) for c in cut.ids.tolist()])

    def drawn(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return a cached value of a map tile, computed once."""
        return self._tiles.get(key, make)

    # Sets.

    def choose(self, spec: Mapping[str, Any], k: int | None) -> tuple[str, Chosen]:
        """Create a set of rows; return its name and the set."""
        plain = {name: spec[name] for name in SET_FIELDS if spec.get(name)}
        text = json.dumps([plain, k], sort_keys=True)
        name = hashlib.blake2b(text.encode(), digest_size=9).hexdigest()
        self.specs[name] = {**plain, "k": k}
        while len(self.specs) > 4096:
            self.specs.pop(next(iter(self.specs)))
        return name, self.chosen(name)

    def chosen(self, name: str | None) -> Chosen:
        """Return a set by its name, as of the latest edit; all rows for None."""
        if name is None:
            return Chosen(Positions.ranges(np.zeros(1), np.array([self.atlas.n_positions])), "")
        spec = self.specs[name]
        cut = self.cut(spec["k"])
        return self._sets.get((name, cut.rows_name), lambda: self._gathered(spec, cut))

    def _gathered(self, spec: Mapping[str, Any], cut: Cut) -> Chosen:
        atlas = self.atlas
        found = Positions.of(np.empty(0, np.int64))
        numbers = tuple(n for n in map(cut.number, spec.get("clusters", ())) if n >= 0)
        for number in numbers:
            found = found | cut.positions_of(number)
        if "rows" in spec:
            positions = atlas.positions[np.asarray(spec["rows"], np.int64)]
            found = found | Positions.of(positions[positions >= 0])
        if "area" in spec:
            area = np.asarray(spec["area"], np.float64)
            apart = spec.get("apart")
            found = found | (self.apart.within(area) if apart else positions_within(atlas, area))
        if "where" in spec:
            mask = beside_cut(self, cut).mask(spec["where"])
            positions = atlas.positions[np.flatnonzero(mask)]
            fits = Positions.of(positions[positions >= 0])
            found = fits if set(spec) <= {"where", "k"} else found & fits
        whole = set(spec) <= {"clusters", "k"}
        return Chosen(found, cut.rows_name, numbers if whole else None)

    def ordered(self, name: str | None, k: int | None, order: str, seed: int) -> Ordered:
        """Return a set in an order; `closest` if it has no outliers or duplicates to show."""
        chosen, cut = self.chosen(name), self.cut(k)
        key = (name, chosen.cut, cut.rows_name, order, seed)
        return self._orders.get(key, lambda: ordered_or_closest(chosen.positions, cut, order, seed))

    def typical(self, cut: Cut, number: int) -> Ordered:
        """Return the rows of a cluster, the most typical first."""
        key = ("typical", cut.rows_name, number)
        return self._lines.get(key, lambda: ordered(cut.positions_of(number), cut, "typical"))

    def questions(self) -> list[Question]:
        """Return the review queue, computed once for each state of the edits."""
        key = ("review", self.curation.seq)
        return self._orders.get(key, self._reviewer.queue)

    def counted(self, chosen: Chosen, k: int | None) -> dict[int, int] | None:
        """Count the rows of a set by cluster id; None if it has too many."""
        cut = self.cut(k)
        if chosen.clusters is not None and chosen.cut == cut.rows_name:
            ids, sizes = cut.ids[list(chosen.clusters)], cut.sizes[list(chosen.clusters)]
            return dict(zip(ids.tolist(), sizes.tolist(), strict=True))
        if len(chosen.positions) > _COUNTED:
            return None
        counts = np.bincount(cut.labels(chosen.positions.all()), minlength=len(cut.ids))
        some = np.flatnonzero(counts)
        return dict(zip(cut.ids[some].tolist(), counts[some].tolist(), strict=True))

    def lit_codes(self, name: str) -> NDArray[np.uint32]:
        """Return the Morton codes of a set's rows, ascending; a sample if they are many."""
        chosen = self.chosen(name)
        positions, key = chosen.positions, ("lit", name, chosen.cut)

        def make() -> NDArray[np.uint32]:
            n = len(positions)
            at = np.arange(n) if n <= _COUNTED else np.linspace(0, n - 1, _COUNTED).astype(np.int64)
            return np.sort(self.atlas.spots[positions.take(at)])

        return self._orders.get(key, make)

    def named(self, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
        names = self.atlas.names(rows)
        return [{"row": r, "name": name} for r, name in zip(rows.tolist(), names, strict=True)]

    def rows_shown(self, positions: NDArray[np.int64], k: int | None) -> list[dict[str, Any]]:
        """Return what the gallery shows of some rows."""
        cut, atlas = self.cut(k), self.atlas
        rows = atlas.rows[positions]
        labels, confidence = cut.ids[cut.labels(positions)], cut.confidence(positions)
        far, moved = atlas.outliers.holds(positions), np.isin(positions, cut.moved[0])
        columns = {
            "row": rows.tolist(),
            "name": atlas.names(rows),
            "cluster": labels.tolist(),
            "confidence": confidence.astype(float).round(3).tolist(),
            "outlier": far.tolist(),
            "moved": moved.tolist(),
        }
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
