"""Two real processes that edit one run at once, and are killed again and again."""

import random
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest
from tests.edits.conftest import fresh
from tests.edits.test_curation import Dense, same

from shoal.edits.log import NAME

EDITS_EACH = 60
CLIENT = """
import sys
import numpy as np
from shoal.edits import Curation
from shoal.errors import InputError
from shoal.stages.result import Result
from shoal.storage import RunFolder

path, who, first, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
edits = Curation(Result(RunFolder.open(path)), author=who)
for number in range(first, last):
    chance, token = np.random.default_rng([ord(who), number]), f"{who}-{number}"
    edits.refresh()
    clusters = list(edits.state.clusters)
    rows = chance.choice(np.flatnonzero(edits.labels() >= 0), 20, replace=False)
    asked = [
        lambda: edits.merge(chance.choice(clusters, 2, replace=False).tolist(), token=token),
        lambda: edits.split(int(chance.choice(clusters)), 2, token=token),
        lambda: edits.move(rows, int(chance.choice(clusters)), token=token),
        lambda: edits.move(rows, token=token),
        lambda: edits.rename(int(chance.choice(clusters)), token, token=token),
        lambda: edits.undo(token=token),
        lambda: edits.redo(token=token),
    ][number % 7]
    try:
        entry = asked()
    except InputError:  # the other one was first: say something that always can be done
        entry = edits.move(rows, token=token)
    print(number, entry.seq, flush=True)
"""


class Client:
    """A process that edits; when it is killed, another goes on after what was acknowledged."""

    def __init__(self, path, who):
        self.path, self.who, self.acknowledged = path, who, {}
        self.start()

    def start(self):
        words = [str(self.path), self.who, str(len(self.acknowledged)), str(EDITS_EACH)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, *words], stdout=subprocess.PIPE, text=True
        )

    def kill(self):
        self.process.kill()
        self.read()

    def read(self):
        lines, _ = self.process.communicate()
        for line in lines.splitlines(keepends=True):
            if line.endswith("\n"):
                number, seq = map(int, line.split())
                self.acknowledged[number] = seq

    @property
    def done(self):
        return len(self.acknowledged) == EDITS_EACH


# What is logged does not depend on how the rows are stored, so one of both is tried each time.
@pytest.mark.parametrize("fitted", [pytest.param(None, marks=pytest.mark.slow), 90], indirect=True)
def test_edits_by_two_processes_killed_at_random(fitted):
    (fitted / NAME).unlink(missing_ok=True)
    chance, killed = random.Random(0), 0
    clients = [Client(fitted, who) for who in "ab"]
    for logged in sorted(chance.sample(range(5, 90), 5)):
        _wait(fitted, logged)
        time.sleep(chance.uniform(0, 0.02))
        victim = max(clients, key=lambda client: client.process.poll() is None)
        if chance.random() < 0.5:
            clients.reverse()
        if victim.process.poll() is None:
            victim.kill()
            killed += 1
            victim.start()
    assert killed >= 3
    for client in clients:
        client.read()
        assert client.process.returncode == 0
        assert client.done
    _is_complete(fitted, clients)


def _count(path):
    """Count the entries, from outside."""
    if not (path / NAME).exists():
        return 0
    connection = sqlite3.connect(f"file:{path / NAME}?mode=ro", uri=True, timeout=30)
    try:
        return connection.execute("SELECT count(*) FROM edits").fetchone()[0]
    except sqlite3.OperationalError:  # it is being made, or what a kill left is not rolled back
        return 0
    finally:
        connection.close()


def _wait(path, logged):
    """Wait until so many edits are in the log."""
    for _ in range(6000):
        if _count(path) >= logged:
            return
        time.sleep(0.01)
    raise AssertionError(f"{_count(path)} edits after a minute, not {logged}")


def _is_complete(path, clients):
    """Assert that every acknowledged edit is in the log, once, and that the log replays."""
    connection = sqlite3.connect(path / NAME)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    logged = dict(connection.execute("SELECT token, seq FROM edits"))
    authors = dict(connection.execute("SELECT author, count(*) FROM edits GROUP BY author"))
    connection.close()
    expected = {f"{c.who}-{n}": seq for c in clients for n, seq in c.acknowledged.items()}
    assert logged == expected
    assert sorted(logged.values()) == list(range(1, 2 * EDITS_EACH + 1))
    assert authors == {"a": EDITS_EACH, "b": EDITS_EACH}
    edits = fresh(path)
    assert np.array_equal(edits.labels(), Dense(edits.fit, edits.entries()).labels)
    assert sum(edits.sizes().values()) + (edits.labels() < 0).sum() == 700
    same(fresh(path).state, edits.state)
