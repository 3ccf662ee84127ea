"""A whole process measured: wall-clock time and the peak memory of all its descendants."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PAUSE = 0.02
_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes


@dataclass(frozen=True)
class Usage:
    """What was taken: seconds, and MiB at the peak over a whole process tree, where known."""

    seconds: float
    peak_mib: float | None


def measure(command: Sequence[str | Path]) -> Usage:
    """Run a command to its end and measure it.

    The peak is the greatest sum, over the process and its descendants, of the proportional set
    size, looked at 50 times a second. Where that cannot be seen it is the greatest resident
    size of a single one of them, as the kernel kept it; not elsewhere, since on Linux that
    counts this process too, as it was when it forked.

    Raises
    ------
    RuntimeError
        When the command fails, with the end of its error stream.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    errors: list[bytes] = []
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))  # type: ignore[union-attr]
    watch = _Watch(process.pid)
    reader.start()
    watch.start()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    watch.stop()
    reader.join()
    process.stderr.close()  # type: ignore[union-attr]
    if process.returncode:
        told = errors[0].decode(errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {process.returncode}\n{told}")
    return Usage(seconds, (watch.peak or used.ru_maxrss * _UNIT) / 2**20)


def own_peak_mib() -> float:
    """Give the peak resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT / 2**20


class _Watch(threading.Thread):
    """Looks at the memory of a process tree again and again."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._pid = pid
        self._ended = threading.Event()

    def run(self) -> None:
        """Look until stopped."""
        while not self._ended.wait(_PAUSE):
            self.peak = max(self.peak, sum(map(_pss, _tree(self._pid))))

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        self.join()


def _tree(pid: int) -> list[int]:
    """Give a process and its descendants."""
    found = [pid]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:
                continue  # it has just ended
    return found


def _pss(pid: int) -> int:
    """Give the proportional set size of a process in bytes, 0 when it has ended."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
