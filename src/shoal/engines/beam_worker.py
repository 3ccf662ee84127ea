"""The process that worker processes of Beam's direct runner are forked from.

It has loaded Beam and Shoal, so a worker works at once and shares what was loaded with the others;
started anew for each pass, it gives back all that the pass took. On standard input comes a line for
each worker that is to begin (its name, and where the runner is) or to end (its name); on standard
output goes a line for each that has ended. When the input ends, so do all.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import subprocess
import sys
import traceback
from importlib import import_module

_FORKS = sys.platform == "linux"  # elsewhere the system's own libraries do not go through it
_READ = 1 << 16


def main(modules: list[str]) -> None:
    """Load modules, then begin workers until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the launcher, which ends all
    for name in modules if _FORKS else ():
        import_module(name)
    gc.freeze()  # pages that nobody writes to stay shared
    workers: dict[int, tuple[str, int]] = {}  # the end of a pipe: name, process
    try:
        while True:
            for end in select.select([0, *workers], [], [])[0]:
                if end:
                    _tell(*workers.pop(end))
                    os.close(end)
                elif not (told := os.read(0, _READ)):
                    return
                else:
                    for line in told.decode().splitlines():
                        _do(line.split(), workers)
    finally:
        for _, process in workers.values():
            os.kill(process, signal.SIGKILL)


def _do(words: list[str], workers: dict[int, tuple[str, int]]) -> None:
    """Begin a worker, or end one."""
    if len(words) == 2:
        end, process = _begin(*words)
        workers[end] = words[0], process
    else:
        for name, process in workers.values():
            if name == words[0]:
                os.kill(process, signal.SIGKILL)


def _begin(name: str, address: str) -> tuple[int, int]:
    """Begin a worker; give the end of a pipe that is closed when it ends, and its process."""
    end, other = os.pipe()
    if not _FORKS:
        words = [sys.executable, "-m", __spec__.name, name, address]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, pass_fds=(other,)).pid
    elif not (process := os.fork()):
        status = 1
        os.dup2(2, 1)  # what it prints is for people, not for the launcher
        try:
            work(name, address)
            status = 0
        except BaseException:
            traceback.print_exc()
        os._exit(status)
    os.close(other)
    return end, process


def work(name: str, address: str) -> None:
    """Do what the runner at an address says, until it says that all is done."""
    from apache_beam.runners.worker.sdk_worker import SdkHarness

    SdkHarness(address, worker_id=name).run()


def _tell(name: str, process: int) -> None:
    """Say how a worker ended."""
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.write(1, f"{name} {status}\n".encode())


if __name__ == "__main__":
    if len(sys.argv) == 3 and ":" in sys.argv[2]:
        work(*sys.argv[1:])
    else:
        main(sys.argv[1:])
