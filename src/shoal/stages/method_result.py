"""What a classical method stores in a run besides tree and layers, and how it assigns new rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.features import Projection
from shoal.methods import DEFAULT, METHODS, Method, Partition, Rule
from shoal.methods.rules import ARRAYS, KINDS
from shoal.methods.structure import MethodStructure
from shoal.stages.result import Result
from shoal.storage import (
    StageFolder,
    damage_errors,
    read_json,
    read_npy,
    write_json,
    write_npy,
)

# Wider features stay in the axes of their components: the cost of methods that depend on axes
# grows with the length of a row.
_WIDEST = 256


@dataclass(frozen=True)
class Frame:
    """Map from the clustered space to feature space, for methods that depend on its axes or origin.

    Parameters
    ----------
    matrix : ndarray, shape (d, D)
    shift : ndarray, shape (D,)
    """

    matrix: NDArray[np.float64]
    shift: NDArray[np.float64]

    def apply(self, vectors: NDArray) -> NDArray[np.float64]:
        """Return rows in feature space, (n, D)."""
        moved: NDArray[np.float64] = vectors.astype(np.float64) @ self.matrix + self.shift
        return moved


def frame_for(method: Method, projection: Projection) -> Frame | None:
    """Return the space in which a method compares rows; None for the clustered space.

    Methods that depend on axes get the original features if the projection is a rotation. Methods
    that depend on directions get the origin of the features, plus one number for the projection
    residual of the mean.
    """
    matrix, mean = projection.matrix, projection.mean
    rotation = np.allclose(matrix.T @ matrix, np.eye(matrix.shape[1]), atol=1e-6)
    if method.axes and rotation and len(mean) <= _WIDEST:
        return Frame(matrix.T, mean)
    if method.directions:
        d = matrix.shape[1]
        inside = mean @ matrix
        outside = np.linalg.norm(mean - matrix @ (inside / (matrix**2).sum(axis=0)))
        return Frame(np.eye(d, d + 1), np.append(inside, outside))
    return None


def write_found(
    folder: StageFolder,
    name: str,
    found: Partition,
    structure: MethodStructure,
    frame: Frame | None,
) -> None:
    arrays: dict[str, NDArray | None] = {
        "method_clusters": structure.clusters,
        "memberships": found.memberships,
        "heights": found.heights,
        "grid": found.grid,
    }
    if METHODS[name].noise:
        arrays["noise"] = found.labels < 0
    if found.rule is not None:
        arrays |= {f"rule_{key}": array for key, array in found.rule.to_arrays().items()}
        if frame is not None:
            arrays |= {"frame_matrix": frame.matrix, "frame_shift": frame.shift}
    for key, array in arrays.items():
        if array is not None:
            write_npy(folder.whole(key), array)
    about = {
        "name": name,
        "k": int(structure.clusters.max()) + 1,
        "rule": None if found.rule is None else found.rule.kind,
        "notes": list(found.notes),
    }
    write_json(folder.whole("method", "json"), about)


@dataclass(frozen=True)
class Found:
    """The stored result of the method that made a run; empty for Shoal's own.

    Parameters
    ----------
    result : Result
    """

    result: Result

    @property
    def _folder(self) -> StageFolder:
        return self.result.folder.stage("tree")

    @cached_property
    def about(self) -> dict[str, Any] | None:
        """Name, K, kind of rule and notes of the method; None for Shoal's own."""
        path = self._folder.whole("method", "json")
        if not path.exists():
            return None
        found: dict[str, Any] = read_json(path)
        with damage_errors(path):
            if not (isinstance(found["name"], str) and isinstance(found["k"], int)):
                raise TypeError(f"name {found['name']!r:.80}, k {found['k']!r:.80}")
            if found["rule"] not in (None, *KINDS):
                raise ValueError(f"rule is {found['rule']!r:.80}")
        return found

    @property
    def facts(self) -> dict[str, Any]:
        """Description of the method for users."""
        if self.about is None:
            return {"name": DEFAULT}
        settings, method = self.result.folder.settings, METHODS.get(self.about["name"])
        return {
            "name": self.about["name"],
            "parameters": list(settings.get("parameters") or []),
            "predicts": None if method is None else method.predicts,
            "notes": self.about.get("notes", []),
        }

    @cached_property
    def clusters(self) -> NDArray[np.int32]:
        """The method's cluster of each representative, (m,)."""
        return read_npy(self._folder.whole("method_clusters"))

    @cached_property
    def memberships(self) -> NDArray[np.float32] | None:
        """Membership of each representative in each of `clusters`, (m, K)."""
        return self._optional("memberships")

    @cached_property
    def grid(self) -> NDArray[np.int64] | None:
        """Row and column of each of `clusters` on the method's grid, (K, 2)."""
        return self._optional("grid")

    @cached_property
    def heights(self) -> NDArray[np.float64] | None:
        """Heights of the method's dendrogram, lowest first, (m − 1,)."""
        return self._optional("heights")

    def _optional(self, name: str) -> NDArray | None:
        path = self._folder.whole(name)
        return read_npy(path) if path.exists() else None

    @cached_property
    def rule(self) -> Rule | None:
        """The method's rule for assigning rows."""
        if self.about is None or self.about["rule"] is None:
            return None
        paths = {name: self._folder.whole(f"rule_{name}") for name in ARRAYS}
        arrays = {name: read_npy(path) for name, path in paths.items() if path.exists()}
        return Rule.from_arrays(self.about["rule"], arrays)

    @cached_property
    def frame(self) -> Frame | None:
        """The space of the rule, if it is not the clustered space."""
        path = self._folder.whole("frame_matrix")
        if not path.exists():
            return None
        return Frame(read_npy(path), read_npy(self._folder.whole("frame_shift")))

    def assign(self, vectors: NDArray) -> NDArray[np.int32] | None:
        """Return the method's cluster of projected rows, (n,); None if it has no rule."""
        if self.rule is None:
            return None
        return self.rule.assign(vectors if self.frame is None else self.frame.apply(vectors))

    def ids(self, of_representative: NDArray[np.int32], k: int) -> NDArray[np.int32] | None:
        """Return the id of each of the method's clusters in a cut, (K,); −1 if it has several.

        A cluster that was split, or lost rows, by edits has several ids; its rows are assigned by
        vote. None if the cut is not the method's, or it has no rule.
        """
        if self.about is None or self.rule is None or self.about["k"] != k:
            return None
        low = np.full(k, np.iinfo(np.int32).max, np.int32)
        high = np.full(k, -1, np.int32)
        np.minimum.at(low, self.clusters, of_representative)
        np.maximum.at(high, self.clusters, of_representative)
        return np.where(low == high, low, np.int32(-1))
