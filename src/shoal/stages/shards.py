"""Shards: the fixed ranges of rows that tasks work on, and groups of them."""

from __future__ import annotations

from dataclasses import dataclass

from shoal.rows import Source
from shoal.stages.source_traits import is_encoded, row_bytes

_SHARD_BYTES = 48 << 20
_SHARD_ROWS = 65_536
_SHARDS = 16  # at least, if there are enough rows, to spread the work and show progress
_SHARD_LEAST = 1 << 20  # bytes; a smaller shard is not worth its files
_FINE_SHARDS, _FINE_ROWS = 128, 32  # the same for images that are decoded or scaled
_BLOCK_BYTES = 16 << 20
_GROUPS = 64
_LEAST_GROUPS = 4
_GROUP_SHARDS = 32


@dataclass(frozen=True)
class Shards:
    """Fixed ranges of rows: `size` each, the last one shorter.

    >>> shards = Shards(10, 4)
    >>> len(shards), shards.bounds(2)
    (3, (8, 10))
    """

    n_rows: int
    size: int

    @classmethod
    def of(cls, source: Source) -> Shards:
        """Divide a source, as opened, into shards that do not depend on the encoder or the workers.

        A shard is at most 48 MiB decoded, and about a hundredth of the rows if these are slow to
        decode, so that work is balanced and an interruption loses little.
        """
        n, each = source.n_rows, max(1, row_bytes(source))
        slow = is_encoded(source) or (source.kind == "images" and source.mixed_sizes)
        count, least = (_FINE_SHARDS, _FINE_ROWS) if slow else (_SHARDS, _SHARD_LEAST // each)
        rows = min(_SHARD_BYTES // each, _SHARD_ROWS)
        return cls(n, max(1, min(rows, max(-(-n // count), least), n)))

    def __len__(self) -> int:
        return -(-self.n_rows // self.size)

    def bounds(self, number: int) -> tuple[int, int]:
        """Return the first row of a shard, and the row after its last."""
        return number * self.size, min(self.n_rows, (number + 1) * self.size)

    def rows(self, number: int) -> int:
        start, stop = self.bounds(number)
        return stop - start

    def block(self, source: Source) -> int:
        """Count the rows to read at a time: a shard, or 16 MiB of one that is too large."""
        each = max(1, row_bytes(source))
        return self.size if self.size * each <= _SHARD_BYTES else max(1, _BLOCK_BYTES // each)

    @property
    def depends_on(self) -> dict[str, int]:
        """What results by group depend on: empty for few groups, which are always the same."""
        many = len(self) // _GROUP_SHARDS > _LEAST_GROUPS
        return {"group_shards": _GROUP_SHARDS} if many else {}

    def groups(self, part_bytes: int, room: int = 1 << 29) -> list[tuple[int, ...]]:
        """Return fixed groups of shards, for stages with large parts regardless of the rows.

        There are as many groups as parts fit in `room`, 4 to 64. More groups have at least 32
        shards and one per MiB of the part, so that parts stay small compared with their input. This
        keeps a hundred workers busy, and no group depends on the number of workers.
        """
        most = len(self) // max(_GROUP_SHARDS, part_bytes >> 20)
        count = max(_LEAST_GROUPS, min(_GROUPS, room // max(1, part_bytes)), most)
        length = -(-len(self) // count)
        numbers = range(len(self))
        return [tuple(numbers[a : a + length]) for a in range(0, len(self), length)]
