"""Tasks that go wrong in worker processes, which import them from here."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from shoal.engines.base import Launch
from shoal.errors import SettingError, SourceError
from shoal.storage import write_json

HERE = ("--runner=FnApiRunner",)
THREADS = (
    "--runner=DirectRunner",
    "--direct_running_mode=multi_threading",
    "--direct_num_workers=2",
)


def nothing():
    """What engines call in each worker process."""


def no_split():
    raise SettingError("no room")


def launch(*options, split=no_split, threads=1, notes=Path("/nowhere")):
    return Launch(options, threads, split, nothing, notes)


@dataclass(frozen=True)
class Noting:
    """Writes a file an item; goes wrong as often as it is told, and counts that in files.

    An item is done only when `workers` processes have come, so that each does some.
    """

    folder: Path
    item: int = -1
    times: int = 0
    wrong: str = ""
    pause: float = 0.0
    workers: int = 0

    def setup(self):
        write_json(self.folder / "setups" / f"{time.monotonic_ns()}.json", os.getpid())

    def __call__(self, item):
        failed = self.folder / "failed"
        time.sleep(self.pause)
        while self.count("setups") < self.workers:
            time.sleep(0.01)
        if item == self.item and len(list(failed.glob("*"))) < self.times:
            write_json(failed / f"{time.monotonic_ns()}.json", os.getpid())
            self.fail()
        write_json(self.folder / f"{item}.json", [item, item**2])

    def fail(self):
        if self.wrong == "wait":  # until the launcher has heard of another item
            end = time.monotonic() + 60
            while not (self.folder / "told").exists() and time.monotonic() < end:
                time.sleep(0.01)
            return
        if self.wrong == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.wrong == "source":
            raise SourceError("row 7 could be read a moment ago: put it back")
        raise OSError(5, "the disk\nis away")

    def completed(self):
        return {int(path.stem) for path in self.folder.glob("*.json")}

    def count(self, what):
        return len(list((self.folder / what).glob("*")))


@dataclass(frozen=True)
class Alone(Noting):
    """Notes where another item is being done in this process."""

    def __call__(self, item):
        busy = self.folder / f"busy-{os.getpid()}"
        # its own mark first: of two that overlap, the later one to look sees the other
        write_json(busy / f"{item}.json", item)
        if len(list(busy.glob("*.json"))) > 1:
            write_json(self.folder / "clashes" / f"{item}.json", item)
        super().__call__(item)
        (busy / f"{item}.json").unlink()
