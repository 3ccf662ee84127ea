import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.edits.conftest import fresh

from shoal.edits import Curation, NameTakenError
from shoal.edits.log import NAME
from shoal.errors import InputError

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["merge", "split", "move", "out", "rename", "undo", "redo", "base"]),
        st.integers(0, 2**31),
    ),
    max_size=14,
)


class Dense:
    """The slow twin: a cluster for each row and each representative, copied before every edit."""

    def __init__(self, ground, entries=()):
        self.place = ground.result.representative_of_row
        self.position = ground.position
        self.cut = ground.result.representative_labels
        self.done, self.undone = [], []
        self.start(ground.result.primary.k)
        for entry in entries:
            self.take(entry)

    def start(self, k):
        self.of = self.cut(k).astype(int)
        self.labels = np.where(self.place < 0, -1, self.of[self.place])

    def take(self, entry):
        facts = entry.facts
        if entry.op == "undo":
            for _ in range(facts["n"]):
                self.undone.append((self.of.copy(), self.labels.copy()))
                self.of, self.labels = self.done.pop()
            return
        if entry.op == "redo":
            for _ in range(facts["n"]):
                self.done.append((self.of.copy(), self.labels.copy()))
                self.of, self.labels = self.undone.pop()
            return
        self.done.append((self.of.copy(), self.labels.copy()))
        self.undone.clear()
        getattr(self, entry.op)(facts, entry.rows)

    def merge(self, facts, _):
        for cluster in facts["clusters"]:
            self.labels[self.labels == cluster] = facts["into"]
            self.of[self.of == cluster] = facts["into"]

    def move(self, facts, rows):
        self.labels[rows] = facts["to"]

    def split(self, facts, _):
        cluster = facts["cluster"]
        own = np.where(self.place < 0, -1, self.of[self.place]) == cluster
        anchored = (own & (self.labels == cluster)).any()
        for row in np.flatnonzero(self.labels == cluster):
            if own[row] or not anchored:
                self.labels[row] = self.part(facts, self.place[row])
        for leaf in np.flatnonzero(self.of == cluster):
            self.of[leaf] = self.part(facts, leaf)

    def part(self, facts, leaf):
        return facts["ids"][sum(cut <= self.position[leaf] for cut in facts["cuts"])]

    def base(self, facts, _):
        self.start(facts["k"])

    def rename(self, *_):
        pass


def step(edits, kind, draw):
    """Do one random edit; None where there is nothing to do it to."""
    clusters = list(edits.state.clusters)
    chance = np.random.default_rng(draw)
    good = np.flatnonzero(edits.labels() >= 0)
    rows = np.sort(chance.choice(good, int(chance.integers(1, 60)), replace=False))
    try:
        if kind == "merge":
            return edits.merge(chance.choice(clusters, 2, replace=False).tolist())
        if kind == "split":
            parts = int(chance.integers(2, 5)) if chance.random() < 0.7 else None
            return edits.split(int(chance.choice(clusters)), parts)
        if kind == "move":
            return edits.move(rows, int(chance.choice(clusters)))
        if kind == "out":
            mine = good[edits.labels()[good] == chance.choice(clusters)]
            return edits.move(mine if chance.random() < 0.3 and len(mine) else rows)
        if kind == "rename":
            return edits.rename(int(chance.choice(clusters)), f"name {chance.integers(99)}")
        if kind == "base":
            return edits.start_from(k=int(chance.integers(1, 12)))
        return getattr(edits, kind)(int(chance.integers(1, 4)))
    except InputError:
        return None
    except ValueError:  # fewer than two clusters to choose from
        return None


def same(one, other):
    """Assert that two states are the same in all arrays."""
    assert one.clusters == other.clusters
    for name in ("of_representative", "rows", "row_cluster", "row_place"):
        a, b = getattr(one, name), getattr(other, name)
        assert a.dtype == b.dtype
        assert np.array_equal(a, b)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(steps=STEPS)
def test_any_edits_are_as_the_slow_twin_says_and_undone_to_the_byte(fitted, steps):
    (fitted / NAME).unlink(missing_ok=True)
    edits = fresh(fitted)
    before = edits.labels().tobytes()
    twin = Dense(edits.fit)
    for kind, draw in steps:
        entry = step(edits, kind, draw)
        if entry is None:
            continue
        twin.take(entry)
        labels = edits.labels()
        assert np.array_equal(labels, twin.labels), entry.describe()
        sizes = edits.sizes()
        ids, counts = np.unique(labels[labels >= 0], return_counts=True)
        assert {c: n for c, n in sizes.items() if n} == dict(zip(ids, counts, strict=True))
        assert sum(sizes.values()) + (labels < 0).sum() == 700
    again = fresh(fitted)
    assert again.seq == edits.seq
    same(again.state, edits.state)
    assert again.state.apart == edits.state.apart
    if edits.done:
        edits.undo(len(edits.done))
        assert edits.labels().tobytes() == before
        assert not edits.edited
        assert fresh(fitted).labels().tobytes() == before


def test_a_merge_is_the_union_and_keeps_other_ids(edits):
    labels = edits.labels()
    assert np.array_equal(labels, edits.fit.result.labels(edits.k))
    edits.merge([1, 3])
    assert np.array_equal(edits.labels(), np.where(labels == 3, 1, labels))
    assert 3 not in edits.sizes()


def test_a_split_keeps_the_id_with_its_largest_part(edits):
    labels = edits.labels()
    facts, after = edits.preview("split", cluster=0, parts=3)
    told = {c: after.sizes[c] for c in facts["ids"]}
    entry = edits.split(0, 3)
    new = edits.labels()
    assert np.array_equal(new[labels != 0], labels[labels != 0])
    assert told == {c: int((new == c).sum()) for c in entry.facts["ids"]}
    assert max(told, key=told.get) == 0
    assert min(set(told) - {0}) > labels.max()


def test_a_split_of_merged_clusters_parts_them_first(edits):
    labels = edits.labels()
    edits.merge([0, 2])
    edits.split(0, 2)
    new = edits.labels()
    assert {frozenset(np.flatnonzero(new == c)) for c in set(new)} == {
        frozenset(np.flatnonzero(labels == c)) for c in set(labels)
    }


def test_rows_taken_out_make_a_new_cluster(edits):
    labels = edits.labels()
    rows = np.flatnonzero(labels == 1)[3:20]
    entry = edits.move(rows, name="odd ones")
    assert edits.state.clusters[entry.facts["to"]].name == "odd ones"
    assert np.flatnonzero(edits.labels() == entry.facts["to"]).tolist() == rows.tolist()
    assert edits.labels_of(rows[::-1]).tolist() == [entry.facts["to"]] * 17
    assert edits.rows_of(entry.facts["to"]).tolist() == rows.tolist()


def test_an_id_is_never_given_out_twice(edits):
    first = edits.move([5, 6]).facts["to"]
    edits.undo()
    assert edits.move([7]).facts["to"] > first
    edits.start_from(k=2)
    assert max(edits.split(0, 2).facts["ids"]) > first + 1


def test_a_name_that_is_taken_proposes_a_merge(edits):
    edits.rename(0, "Tabby Cats")
    with pytest.raises(NameTakenError, match="is called “Tabby Cats” already: merge") as told:
        edits.rename(2, "tabby  CATS")
    proposal = told.value.proposal
    assert (proposal.into, set(proposal.clusters)) == (0, {0, 2})
    assert proposal.total == edits.sizes()[0] + edits.sizes()[2]
    assert edits.seq == 1
    edits.merge(proposal.clusters, proposal.into)
    assert edits.state.clusters[0].name == "Tabby Cats"


def test_a_run_without_edits_is_as_it_was(edits):
    assert isinstance(edits, Curation)
    assert not edits.edited
    assert edits.entries() == []
    assert not (edits.fit.result.folder.path / NAME).exists()
