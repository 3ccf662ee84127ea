"""What an edit operation is."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoal.edits.base_clusters import Ground
from shoal.edits.log import Draft, Entry
from shoal.edits.state import State, Touched

if TYPE_CHECKING:
    from shoal.edits.carry import Carrier

RowNumbers = NDArray[np.int64]
ClusterId = Annotated[int, "Cluster id."]
Rows = Annotated[ArrayLike, "Rows, such as 17,20-29."]

_LONGEST_SHOWN = 60


@dataclass(frozen=True)
class Site:
    """What an edit is planned on: the state, its fit, and the first cluster id that is free."""

    state: State
    ground: Ground
    fresh: int


@dataclass(frozen=True)
class Parameter:
    """What a request for an edit says, as commands and the page read it."""

    # As `plan` has them
    name: str
    kind: Any  # int, str, bool, list[int], or `ArrayLike` for rows
    help: str
    default: Any  # ``inspect.Parameter.empty`` where it is required

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


@dataclass(frozen=True)
class Command:
    """A subcommand of ``shoal edits``: its help, and the arguments of `plan` that it sets."""

    name: str
    help: str
    sets: Mapping[str, Any] = field(default_factory=dict)


class Operation(ABC):
    """One kind of edit.

    Attributes
    ----------
    restarts
        Whether the clusters after it have nothing to do with those before it.
    """

    name: str  # As the log has it
    # The subcommands of ``shoal edits`` that do it. What `plan` takes besides becomes arguments, or
    # options where it has a default.
    commands: tuple[Command, ...] = ()
    restarts = False

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """What `plan` takes besides the site."""
        hints = get_type_hints(self.plan, include_extras=True)
        _, *taken = inspect.signature(self.plan).parameters.values()
        return tuple(
            Parameter(p.name, _kind(hints[p.name]), hints[p.name].__metadata__[0], p.default)
            for p in taken
        )

    @abstractmethod
    def plan(self, site: Site, *args: Any, **kwargs: Any) -> Draft:
        """Check what is wanted and resolve it, so that a replay has nothing to decide."""

    def apply(self, state: State, facts: Any, rows: Any, ground: Ground) -> State:
        return state

    def touches(self, state: State, facts: Any, rows: Any, ground: Ground) -> Touched:
        """Return the clusters that it changes, makes or takes away; None for all."""
        if self.restarts:
            return None
        ids = facts["clusters"] if "clusters" in facts else [facts["cluster"]]
        return frozenset([*ids, *self.made(facts)])

    @abstractmethod
    def describe(self, facts: Any, called: Callable[[int], str], noun: str) -> str:
        """Return what it did: ``Merged Cluster 7 into “cats”``."""

    def request(self, facts: Any, rows: RowNumbers, called: Callable[[int], int]) -> dict[str, Any]:
        """Return the arguments of `plan` that make it again where clusters have other ids."""
        return {k: called(v) if k == "cluster" else v for k, v in facts.items()}

    def made(self, facts: Any) -> list[int]:
        """Return the ids of the clusters that it made, perhaps with some that were there."""
        return []

    def carry(self, to: Carrier, entry: Entry, was: State, now: State) -> None:
        """Do it again on a new fit; `was` and `now` are the old states around it."""
        to.do(self.name, **self.request(entry.facts, entry.rows, lambda c: to.found(c, was)))


class FieldEdit(Operation):
    """An edit of one field of a cluster: its note, name, mark or lock."""

    field: str

    def apply(self, state: State, facts: Any, rows: Any, ground: Ground) -> State:
        cluster = state.clusters[facts["cluster"]]
        return state.changed(replace(cluster, **{self.field: facts[self.field]}))


def shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_SHOWN else f"{line[: _LONGEST_SHOWN - 1]}…"


def _kind(hint: Any) -> Any:
    kind = hint.__origin__
    optional = isinstance(kind, UnionType) and kind != ArrayLike
    return get_args(kind)[0] if optional else kind
