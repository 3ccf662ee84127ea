"""Processes that are killed when they have written so much, however fast the machine is."""

import os
import subprocess
import sys

_HOLD = """
import itertools, os, time
_files, _replace = itertools.count(1), os.replace
def _held(*names, **more):
    if next(_files) == int(os.environ["HELD_AT"]):
        print("held", flush=True)
        time.sleep(600)
    return _replace(*names, **more)
os.replace = _held
"""


def killed_at(files, script, *words):
    """Run Python code and kill it while it would name its n-th file; return whether it came there.

    Other threads go on until then, so they are killed at any moment.
    """
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD + script, *map(str, words)],
        env={**os.environ, "HELD_AT": str(files)},
        stdout=subprocess.PIPE,
    ) as process:
        came = process.stdout.readline() == b"held\n"
        process.kill()
    return came


def completed(script, *words):
    """Run Python code to its end."""
    subprocess.run([sys.executable, "-c", script, *map(str, words)], check=True)
