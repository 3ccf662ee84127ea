"""Why an edit was not done."""

from __future__ import annotations

from dataclasses import dataclass

from shoal.errors import InputError


@dataclass(frozen=True)
class Proposal:
    """A merge that is only proposed: who would go into whom."""

    clusters: tuple[int, ...]  # All clusters of the merge, `into` among them
    into: int  # The one whose id stays
    rows: tuple[int, ...]  # Rows of each, in the order of `clusters`
    names: tuple[str | None, ...]  # Names of each, None where there is none
    # What the merged cluster would be called, and its note
    name: str | None
    note: str

    @property
    def total(self) -> int:
        return sum(self.rows)


class LockedError(InputError):
    """A cluster is locked: unlock it first."""


class ConflictError(InputError):
    """Someone else changed the cluster since it was opened."""


class NameTakenError(InputError):
    """Another cluster has the name; `proposal` is the merge that was perhaps meant."""

    def __init__(self, message: str, proposal: Proposal) -> None:
        super().__init__(message)
        self.proposal = proposal


class NotNowError(InputError):
    """An edit of an earlier run makes no sense on the new fit."""
