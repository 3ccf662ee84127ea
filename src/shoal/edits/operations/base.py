"""Base classes of edit operations."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

from numpy.typing import ArrayLike

from shoal.edits.base_fit import BaseFit
from shoal.edits.log import Draft, Entry
from shoal.edits.state import State, Touched

if TYPE_CHECKING:
    from shoal.edits.carry import Carrier

Edit = Draft | Entry
NewIds = Callable[[int], int]
ClusterId = Annotated[int, "Cluster id."]
Rows = Annotated[ArrayLike, "Rows, such as 17,20-29."]

_LONGEST_SHOWN = 60


@dataclass(frozen=True)
class EditContext:
    """What an edit is planned on: the current state, and the id of the next new cluster."""

    state: State
    next_id: int

    @property
    def fit(self) -> BaseFit:
        return self.state.fit


@dataclass(frozen=True)
class Words:
    """How descriptions call clusters and rows."""

    names: Mapping[int, str | None] = field(default_factory=dict)
    noun: str = "row"

    def cluster(self, cluster: int) -> str:
        name = self.names.get(cluster)
        return f"cluster {cluster}" if name is None else f"“{shortened(name)}”"


@dataclass(frozen=True)
class Parameter:
    """A parameter of `plan`, as commands and the page read it."""

    name: str
    kind: Any  # int, str, bool, list[int], or `ArrayLike` for rows
    help: str
    default: Any  # ``inspect.Parameter.empty`` if required

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


@dataclass(frozen=True)
class Command:
    """A subcommand of ``shoal edits``, with the arguments of `plan` that it sets."""

    name: str
    help: str
    sets: Mapping[str, Any] = field(default_factory=dict)


class Operation(ABC):
    """One kind of edit."""

    name: str  # in the log
    # Its subcommands of ``shoal edits``; other parameters of `plan` become arguments, or options if
    # they have a default.
    commands: tuple[Command, ...] = ()
    restarts = False  # it replaces all clusters

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Parameters of `plan` besides the context."""
        hints = get_type_hints(self.plan, include_extras=True)
        _, *taken = inspect.signature(self.plan).parameters.values()
        return tuple(
            Parameter(p.name, _kind(hints[p.name]), hints[p.name].__metadata__[0], p.default)
            for p in taken
        )

    @abstractmethod
    def plan(self, context: EditContext, *args: Any, **kwargs: Any) -> Draft:
        """Check and resolve a request, so that a replay is deterministic."""

    def apply(self, state: State, edit: Edit) -> State:
        return state

    def touches(self, state: State, edit: Edit) -> Touched:
        """Return the clusters that it changes, creates or removes; None for all."""
        if self.restarts:
            return None
        ids = edit.facts.get("clusters") or [edit.facts["cluster"]]
        return frozenset([*ids, *self.created(edit)])

    @abstractmethod
    def describe(self, edit: Edit, words: Words) -> str:
        """Describe it: ``Merged cluster 7 into “cats”``."""

    def request(self, edit: Edit, new_id: NewIds) -> dict[str, Any]:
        """Return arguments of `plan` that repeat it with other cluster ids."""
        return {k: new_id(v) if k == "cluster" else v for k, v in edit.facts.items()}

    def created(self, edit: Edit) -> list[int]:
        """Return the ids of created clusters, possibly with existing ones."""
        return []

    def carry(self, carrier: Carrier, entry: Entry, before: State, after: State) -> None:
        """Repeat it on a new fit; `before` and `after` are its states in the old one."""
        carrier.do(self.name, **self.request(entry, lambda c: carrier.found(c, before)))


class FieldEdit(Operation):
    """An edit of one field of a cluster: its note, name, mark or lock."""

    field: str

    def apply(self, state: State, edit: Edit) -> State:
        cluster = state.clusters[edit.facts["cluster"]]
        return state.changed(replace(cluster, **{self.field: edit.facts[self.field]}))


def shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_SHOWN else f"{line[: _LONGEST_SHOWN - 1]}…"


def _kind(hint: Any) -> Any:
    kind = hint.__origin__
    optional = isinstance(kind, UnionType) and kind != ArrayLike
    return get_args(kind)[0] if optional else kind
