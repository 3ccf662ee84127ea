"""A whole process measured: wall-clock time and the peak memory of all its descendants."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_PAUSE = 0.02
_SHARE = 0.03  # of one core that looking may take
_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes


@dataclass(frozen=True)
class Usage:
    """What was taken: seconds, and MiB at the peak over a whole process tree, where known.

    `disk` is the most bytes that a folder had, where one was watched. `own_mib` is the peak of the
    process itself, and `most_mib` that of any one of its descendants.
    """

    seconds: float
    peak_mib: float | None
    disk: int = 0
    own_mib: float = 0.0
    most_mib: float = 0.0


def measure(
    command: Sequence[str | Path],
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Usage:
    """Run a command to its end and measure it, and the size of a folder meanwhile.

    `env` is its environment, this process's own if none is given.

    The peak is the greatest sum, over the process and its descendants, of the proportional set
    size, looked at 50 times a second, or less often where a look takes long. Where that cannot
    be seen it is the greatest resident size of a single one of them, as the kernel kept it; not
    elsewhere, since on Linux that counts this process too, as it was when it forked.

    Raises
    ------
    RuntimeError
        When the command fails, with the end of its error stream.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=env,
    )
    errors: list[bytes] = []
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()))  # type: ignore[union-attr]
    watch = _Watch(process.pid, folder)
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
    peak = (watch.peak or used.ru_maxrss * _UNIT) / 2**20
    return Usage(seconds, peak, watch.most, watch.own / 2**20, watch.other / 2**20)


def processor_seconds(command: Sequence[str | Path | int]) -> tuple[float, float | None]:
    """Run a command; return its processor seconds, of all threads, and its peak memory in MiB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    usage = measure(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, usage.peak_mib


@contextmanager
def watching(pid: int) -> Iterator[Callable[[], float]]:
    """Watch a process that runs; give what tells the peak of its whole tree so far, in MiB."""
    watch = _Watch(pid, None)
    watch.start()
    try:
        yield lambda: watch.peak / 2**20
    finally:
        watch.stop()


def own_peak_mib() -> float:
    """Return the peak resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT / 2**20


class _Watch(threading.Thread):
    """Looks at the memory of a process tree, and at the size of a folder, again and again."""

    def __init__(self, pid: int, folder: Path | None) -> None:
        super().__init__(daemon=True)
        self.peak = self.own = self.other = 0
        self.most = 0
        self._pid = pid
        self._folder = folder
        self._ended = threading.Event()

    def run(self) -> None:
        """Look until stopped; the larger the processes, the longer a look takes."""
        pause = _PAUSE
        while not self._ended.wait(pause):
            began = time.thread_time()
            each = list(map(_pss, _tree(self._pid)))
            self.peak, self.own = max(self.peak, sum(each)), max(self.own, each[0])
            self.other = max([self.other, *each[1:]])
            self.most = max(self.most, folder_bytes(self._folder))
            pause = max(_PAUSE, (time.thread_time() - began) / _SHARE)

    def stop(self) -> None:
        """Look at the folder for the last time."""
        self._ended.set()
        self.join()
        self.most = max(self.most, folder_bytes(self._folder))


def folder_bytes(folder: Path | None) -> int:
    """Add up the sizes of all files in a folder; 0 where there is none."""
    total = 0
    for root, _, names in os.walk(folder) if folder is not None else ():
        for name in names:
            with suppress(OSError):  # it has just gone
                total += os.lstat(os.path.join(root, name)).st_size
    return total


def _tree(pid: int) -> list[int]:
    """Return a process and its descendants."""
    found = [pid]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += map(int, children.read_text().split())
            except OSError:
                continue  # it has just ended
    return found


def _pss(pid: int) -> int:
    """Return the proportional set size of a process in bytes, 0 when it has ended."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
