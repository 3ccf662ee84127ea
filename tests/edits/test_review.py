import numpy as np
import pytest
from tests.core.test_mixtures import four_around_one
from tests.edits.conftest import fresh

import shoal
from shoal.edits.review import Reviewer, quiz_result, quiz_rows
from shoal.errors import InputError


@pytest.fixture(scope="module", params=[None, 150], ids=["every row", "150 representatives"])
def path(request, tmp_path_factory):
    """Four groups; two of them so near to each other that they may be one."""
    draw = np.random.default_rng(1)
    truth = np.repeat([0, 1, 2, 3], [400, 300, 200, 100])
    centres = np.array([[0, 0], [4.2, 0], [30, 0], [0, 30]])
    rows = draw.normal(size=(1000, 6)).astype(np.float32)
    rows[:, :2] += centres[truth]
    out = tmp_path_factory.mktemp("review") / "run"
    shoal.fit(rows, out, workers=1, representatives=request.param, layers=(4, 3))
    return out


@pytest.fixture
def reviewer(path):
    (path / "edits.sqlite").unlink(missing_ok=True)
    found = Reviewer(fresh(path))
    found.curation.start_from(k=4)
    yield found
    found.curation.close()


def asked(reviewer, kind):
    return {question.clusters: question for question in reviewer.queue() if question.kind == kind}


def near_two(reviewer):
    """Give the ids of the two groups that are near each other."""
    labels = reviewer.curation.labels()
    return tuple(np.bincount(labels[a:b]).argmax() for a, b in ((0, 400), (400, 700)))


def test_the_queue_comes_by_what_an_answer_gains(reviewer):
    gains = [question.gain for question in reviewer.queue()]
    assert gains == sorted(gains, reverse=True)
    assert all(0 <= question.chance <= 1 for question in reviewer.queue())
    assert len(reviewer.queue(3)) == 3


def test_near_clusters_are_asked_about_until_they_are_said_to_be_apart(reviewer):
    pair = near_two(reviewer)
    question = asked(reviewer, "same")[pair]
    assert question.changes == reviewer.curation.sizes()[pair[1]]
    labels = reviewer.curation.labels_of(question.rows)
    assert set(labels[: question.parts]) <= {pair[0]}
    assert set(labels[question.parts :]) <= {pair[1]}
    reviewer.curation.keep_apart(*pair)
    assert pair not in asked(reviewer, "same")


def test_groups_of_a_mixture_are_hardly_asked_about(tmp_path):
    # The graph alone gives pairs of these groups a chance of up to 0.7 to be one.
    run = shoal.fit(four_around_one(1), tmp_path / "run", workers=1)
    assert run.primary.k == 5
    chances = [q.chance for q in Reviewer(run.edits).queue() if q.kind == "same"]
    assert chances
    assert max(chances) < 0.2


def test_a_merged_cluster_may_be_two_until_it_is_said_to_be_whole(reviewer):
    edits, pair = reviewer.curation, near_two(reviewer)
    sizes = edits.sizes()
    edits.merge(pair)
    question = asked(reviewer, "two")[pair[0],]
    assert question.changes == sizes[pair[1]]
    before = edits.labels()
    edits.split(pair[0], 2)
    sides = edits.labels_of(question.rows)
    assert len(set(sides[: question.parts])) == len(set(sides[question.parts :])) == 1
    edits.undo()
    assert np.array_equal(edits.labels(), before)
    edits.keep_whole(pair[0])
    assert (pair[0],) not in asked(reviewer, "two")


def test_torn_rows_lie_between_the_two_and_are_settled_by_a_person(reviewer):
    edits, pair = reviewer.curation, near_two(reviewer)
    found = asked(reviewer, "rows")
    question = found.get(pair) or found[pair[::-1]]
    assert (edits.labels_of(question.rows) == question.clusters[0]).all()
    edits.confirm(question.rows, question.clusters[0])
    edits.move([question.rows[0]], question.clusters[1])
    again = asked(reviewer, "rows").get(question.clusters)
    assert again is None or not set(again.rows) & set(question.rows)


def test_locked_clusters_and_junk_are_not_asked_about(reviewer):
    one, other = near_two(reviewer)
    reviewer.curation.lock(int(one))
    assert not any(one in question.clusters for question in reviewer.queue())
    reviewer.curation.lock(int(one), False)
    reviewer.curation.mark(int(other), "junk")
    assert not any(other in question.clusters for question in reviewer.queue())


def test_a_quiz_draws_rows_of_the_cluster_each_once_by_chance(reviewer):
    edits = reviewer.curation
    mine = edits.rows_of(0)
    seen = np.concatenate([quiz_rows(edits, 0, 20, seed) for seed in range(200)])
    assert np.isin(seen, mine).all()
    assert len(set(quiz_rows(edits, 0, 20, 1))) == 20
    assert np.array_equal(quiz_rows(edits, 0, 20, 1), quiz_rows(edits, 0, 20, 1))
    counts = np.array([np.sum(seen == row) for row in mine])
    assert counts.std() < 2 * np.sqrt(counts.mean())
    assert sorted(quiz_rows(edits, 0, 10_000)) == mine.tolist()


def test_few_rows_of_many_are_drawn_as_likely(reviewer, monkeypatch):
    edits = reviewer.curation
    monkeypatch.setattr(edits, "rows_of", None)  # all rows must not be looked at
    seen = np.concatenate([quiz_rows(edits, 0, 3, seed) for seed in range(300)])
    assert (edits.labels_of(np.unique(seen)) == 0).all()
    halves = np.bincount(seen > np.median(np.flatnonzero(edits.labels() == 0)), minlength=2)
    assert abs(halves[0] - halves[1]) < 4 * np.sqrt(len(seen))


def test_a_quiz_gives_an_error_rate_that_grows_stale(reviewer):
    edits = reviewer.curation
    assert quiz_result(edits.state, 0) is None
    rows = quiz_rows(edits, 0)
    edits.answer_quiz(0, right=rows[:18], wrong=rows[18:])
    found = quiz_result(edits.state, 0)
    assert (found.right, found.wrong, found.stale) == (18, 2, False)
    assert found.error.share == 0.1
    assert found.error.least < 0.1 < found.error.high
    edits.move(rows[18:])
    assert quiz_result(edits.state, 0).stale
    edits.undo()
    assert not quiz_result(edits.state, 0).stale
    with pytest.raises(InputError, match="there is no cluster 99"):
        quiz_result(edits.state, 99)


def test_an_edit_while_the_queue_is_made_breaks_nothing(reviewer, monkeypatch):
    two = Reviewer.two

    def meanwhile(self, state):
        if not self.curation.undone:
            self.curation.merge(near_two(self))
        return two(self, state)

    before = reviewer.queue()
    monkeypatch.setattr(Reviewer, "two", meanwhile)
    assert Reviewer(reviewer.curation).queue() == before
    reviewer.curation.undo()
    assert Reviewer(reviewer.curation).queue() == before
