"""A run of any method does all that a run does."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score as agreement

import shoal
from shoal.errors import InputError, SettingError
from shoal.methods import METHODS
from shoal.stages.method_result import Found
from shoal.stages.result import Result
from shoal.storage import RunFolder

TRUTH = np.repeat(np.arange(3), 30)
ROWS = (np.eye(4)[TRUTH] * 9 + 1 + np.random.default_rng(0).normal(0, 0.4, (90, 4))).astype("f4")


def fit(method, rows=ROWS, out=None, **settings):
    if METHODS[method].takes_k:
        settings = {"k": 3, **settings}
    return shoal.fit(rows, out, method=method, workers=1, **settings)


# One of each kind: rules, directions, memberships, dendrogram, noise, none of these.
QUICK = ("kmeans", "spherical-kmeans", "gmm", "agglomerative", "dbscan", "louvain")
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in METHODS if name not in QUICK]


@pytest.mark.parametrize("method", [*QUICK, *SLOW])
def test_labels_layers_predict_eval_edits_export(method, tmp_path):
    run = fit(method)
    labels, noise = run.labels(), run.outliers
    k = run.primary.k
    assert sorted(set(labels.tolist())) == list(range(k))
    assert k in [layer.k for layer in run.layers]
    again = run.predict(ROWS)
    np.testing.assert_array_equal(again.cluster[~noise], labels[~noise])
    if k == 3:
        assert agreement(TRUTH[~noise], labels[~noise]) == 1.0
    assert run.evaluate(TRUTH)[0]["ari"] > 0
    new = run.predict(np.float32([[10, 1, 1, 1], [1, 1, 10, 1]])).cluster
    assert new.tolist() == [labels[~noise & (c == TRUTH)][0] for c in (0, 2)]
    if k > 1:
        first, second = int(labels[0]), int(labels[-1])
        run.edits.merge([first, second])
        merged = run.labels()
        assert merged[0] == merged[-1]
        assert run.predict(ROWS).cluster[0] == merged[0]


def test_rule_is_followed_where_a_vote_would_not():
    # Three rows of one cluster lie nearest to the new one, but the other centre is nearer.
    rows = np.float32([[0], [0.1], [0.2], [5.2], [9.9], [10], [10.1], [14]])
    run = shoal.fit(rows, method="kmeans", k=2, workers=1)
    left, right = run.labels()[0], run.labels()[-1]
    centres = [rows[run.labels() == c].mean() for c in (left, right)]
    border = np.float32([[np.mean(centres) - 0.05], [np.mean(centres) + 0.05]])
    assert run.predict(border).cluster.tolist() == [left, right]


def test_edits_come_before_the_rule():
    run = fit("kmeans")
    row = int(np.flatnonzero(run.labels() == run.labels()[0])[0])
    found = Found(run._result)
    of_representative = run.clustering().of_representative
    assert (found.ids(of_representative, 3) >= 0).all()
    run.edits.split(int(run.labels()[0]), 2)
    assert (found.ids(run.clustering().of_representative, 3) < 0).sum() == 1
    predicted = run.predict(ROWS[row : row + 1]).cluster[0]
    assert predicted == run.labels()[row]


@pytest.mark.parametrize("method", ["kmeans", "agglomerative"])
def test_same_bytes_for_any_number_of_workers(method, tmp_path):
    k = {"k": 3} if METHODS[method].takes_k else {}
    for workers in (1, 2):
        shoal.fit(ROWS, tmp_path / str(workers), method=method, workers=workers, **k)
    for stage in ("tree", "assign"):
        files = sorted((tmp_path / "1" / stage).rglob("*.*"))
        assert any(path.name == "whole.json" for path in files) or stage == "assign"
        for path in files:
            if path.suffix in (".npy", ".parquet"):
                other = tmp_path / "2" / path.relative_to(tmp_path / "1")
                assert path.read_bytes() == other.read_bytes(), path


def test_noise_is_what_lies_far_out():
    rows = np.concatenate([ROWS, np.float32([[50, 50, 50, 50]])])
    run = fit("dbscan", rows)
    assert run.outliers[-1]
    assert run.outliers.sum() <= 5
    assert (run.labels() >= 0).all()


def test_another_method_redoes_the_tree_only(tmp_path):
    fit("kmeans", out=tmp_path / "run")
    before = (tmp_path / "run" / "summarise" / "_done.json").stat().st_mtime_ns
    first = (tmp_path / "run" / "tree" / "_done.json").read_bytes()
    run = fit("agglomerative", out=tmp_path / "run", linkage="single")
    assert (tmp_path / "run" / "summarise" / "_done.json").stat().st_mtime_ns == before
    assert (tmp_path / "run" / "tree" / "_done.json").read_bytes() != first
    assert len(run.layers) > 1
    assert run.info()["method"]["name"] == "agglomerative"
    assert not (tmp_path / "run" / "tree" / "rule_centres" / "whole.npy").exists()
    assert Found(Result(RunFolder.open(tmp_path / "run"))).rule is None


def test_duplicates_count_as_often_as_they_come():
    rows = np.float32([[0.0]] * 8 + [[1.0]] + [[3.0]])
    run = shoal.fit(rows, method="kmeans", k=1, workers=1)
    centres = Found(run._result).rule.centres
    assert centres[0, 0] + 0.4 - rows.mean() == pytest.approx(0.4, abs=1e-6) or len(centres) == 1


def test_gaussians_and_medians_see_the_columns_that_were_given():
    rows = np.concatenate([ROWS, [[1, 30, 1, 1]] * 3 + np.eye(4)[:3]]).astype("f4")
    run = shoal.fit(rows, method="k-medians", k=1, workers=1)
    np.testing.assert_allclose(Found(run._result).rule.centres[0], np.median(rows, 0), atol=1e-4)


def test_directions_are_from_the_origin_of_the_features():
    random = np.random.default_rng(1)
    angle = np.repeat([0.3, 1.2], 40) + random.normal(0, 0.02, 80)
    rows = random.uniform(1, 100, 80)[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    run = shoal.fit(rows, method="spherical-kmeans", k=2, workers=1)
    assert agreement(np.repeat([0, 1], 40), run.labels()) == 1.0
    assert len(set(run.predict(np.float32([[0.3, 0.1], [0.1, 0.3]])).cluster)) == 2


def test_layers_are_more_cuts_of_the_same_tree():
    run = shoal.fit(ROWS, method="kmeans", layers=[3, 2, 6], workers=1)
    assert [(layer.k, layer.primary) for layer in run.layers] == [(2, False), (3, True), (6, False)]
    assert agreement(run.labels(k=3), TRUTH) == 1.0


def test_rows_added_go_into_the_tree(tmp_path):
    fit("kmeans", ROWS[:80], tmp_path / "before")
    after = shoal.fit(ROWS, tmp_path / "after", previous=tmp_path / "before", workers=1)
    assert agreement(TRUTH, after.labels()) == 1.0
    assert after.info()["method"]["name"] == "kmeans"


def test_many_rows_are_summarised_for_a_method_of_all_pairs(tmp_path, monkeypatch):
    monkeypatch.setattr("shoal.methods.base.Method.most_rows", lambda self, memory: 40)
    notes = []

    class Said(shoal.progress.Silent):
        def note(self, text):
            notes.append(text)

    run = fit("agglomerative", progress=Said())
    assert len(run.representatives) <= 40
    said = "agglomerative compares all pairs of rows: 40 representatives stand for the 90."
    assert said in notes
    assert agreement(TRUTH, run.labels()) > 0.9
    with pytest.raises(SettingError, match="representatives 60, but method agglomerative takes"):
        fit("agglomerative", representatives=60)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "kmeens"}, "did you mean kmeans"),
        ({"method": "kmeans", "k": 91}, "k must be from 1 to 90"),
        ({"method": "dbscan", "k": 3}, "dbscan finds the number of clusters itself; got k 3"),
        ({"method": "dbscan", "eps": 0}, "eps must be a number of at least"),
        ({"method": "dbscan", "epsilon": 1}, "has no parameter epsilon: did you mean eps"),
        ({"method": "kmeans", "eps": 1}, "has no parameter eps: it has starts, iterations"),
        ({"eps": 1}, "eps is not a setting"),
        ({"parameters": {"eps": 1}}, "method shoal has no parameters; got eps=1"),
        ({"method": "dbscan", "eps": 1, "parameters": ["eps=2"]}, "eps is given twice"),
        ({"method": "kmeans", "detail": 1.0}, "detail 1.0 is for the method shoal"),
        ({"method": "kmeans", "min_size": 5}, "min_size 5 is for the method shoal"),
        ({"k": "some"}, "k must be a whole number of at least 1; got 'some'"),
    ],
)
def test_settings_that_do_not_go_together(settings, message):
    with pytest.raises(InputError, match=message):
        shoal.fit(ROWS, workers=1, **settings)


def test_k_auto_is_the_default():
    assert shoal.fit(ROWS, method="kmeans", k="auto", workers=1).primary.k == 3
    assert shoal.fit(ROWS, k="auto", workers=1).primary.k == shoal.fit(ROWS, workers=1).primary.k


def test_advice_on_layers_is_on_those_of_shoal(capsys):
    from shoal.cli.runs import print_layers

    print_layers(fit("kmeans", ROWS[:60], k=4))
    said = capsys.readouterr().out
    assert "Weak layers: their last splits" in said
    assert "as clear" not in said
    print_layers(fit("dbscan", ROWS[:30]))
    assert "1 cluster by dbscan" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["kmeans", "hdbscan"])
def test_a_cluster_can_be_fitted_by_a_method(method):
    run = shoal.fit(ROWS, workers=1)
    part = run.fit_cluster(0, method=method, workers=1, **({"k": 2} if method == "kmeans" else {}))
    assert part.n_rows == 30
    assert part.info()["method"]["name"] == method


def test_advice_on_a_method_says_what_it_found_and_no_more():
    run = fit("kmeans", ROWS[:60], k=4)
    assert run.advice.as_dict() == {"sentences": ["4 clusters by kmeans."], "choices": []}
