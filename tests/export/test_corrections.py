import numpy as np
import pandas as pd
import pytest

import shoal
from shoal.errors import InputError
from shoal.export.corrections import import_corrections


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Three groups of 40 named rows; only the tests' own logs change."""
    folder = tmp_path_factory.mktemp("corrections")
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(120, 4)) + np.repeat([[0], [30], [60]], 40, 0)
    table = pd.DataFrame(rows, columns=list("abcd"))
    table.insert(0, "id", [f"item-{n}" for n in range(120)])
    table.to_csv(folder / "rows.csv", index=False)
    return shoal.fit(folder / "rows.csv", folder / "run", workers=1)


@pytest.fixture
def correct(fitted, tmp_path):
    """Take in a table, and return labels and names of the run, without edits at first."""
    fitted.edits.refresh()
    if fitted.edits.done:
        fitted.edits.undo(len(fitted.edits.done))

    def done(table, ending=".csv"):
        path = tmp_path / f"mine{ending}"
        frame = pd.DataFrame(table)
        frame.to_csv(path, index=False) if ending == ".csv" else frame.to_parquet(path)
        import_corrections(fitted.edits, path)
        return fitted.labels(), fitted.clustering().names

    return done


def test_clusters_of_rows_become_moves(correct, fitted):
    before = fitted.labels()
    labels, _ = correct({"row": [0, 1, 50, 2], "cluster": [before[50], "", before[50], "odd"]})
    assert labels[0] == before[50]
    assert fitted.clustering().names[labels[2]] == "odd"
    changed = np.flatnonzero(labels != before)
    assert changed.tolist() == [0, 2]
    assert [entry.op for entry in fitted.edits.done] == ["move", "move"]


def test_names_of_rows_name_whole_clusters_and_part_others(correct, fitted):
    before = fitted.labels()
    names = [f"item-{n}" for n in range(120)]
    wanted = ["first"] * 40 + ["second"] * 39 + ["third"] * 41
    labels, called = correct({"file": names, "cluster_name": wanted}, ".parquet")
    assert [called[c] for c in labels] == wanted
    assert labels[0] == before[0]


def test_the_table_that_labels_writes_comes_back(correct, fitted, tmp_path):
    fitted.edits.rename(int(fitted.labels()[0]), "=one")
    shoal_table = fitted.table().to_pandas()
    shoal_table["cluster_name"] = shoal_table["cluster_name"].astype(object)
    shoal_table["cluster_name"] = shoal_table["cluster_name"].map({"=one": "'=two"})
    labels, called = correct(shoal_table)
    assert called == {int(labels[0]): "=two"}
    correct(shoal_table)
    assert len(fitted.edits.done) == 2


def test_numbers_are_clusters_even_where_others_have_them_as_names(correct, fitted):
    with fitted.edits.together():
        for cluster, name in ((0, "1"), (1, "0")):
            fitted.edits.rename(cluster, name)
    before = fitted.labels()
    frame = fitted.table().to_pandas()
    fitted.import_edits(frame)
    assert len(fitted.edits.done) == 2
    frame["cluster"] = frame["cluster"].astype(object)
    frame.loc[0, "cluster"] = "new"
    (entry,) = fitted.import_edits(frame.drop(columns="cluster_name"))
    assert (entry.op, entry.rows.tolist()) == ("move", [0])
    assert (fitted.labels() != before).sum() == 1


def test_a_table_of_clusters_names_them_and_may_swap_names(correct):
    assert correct({"cluster": [0, 1], "name": ["a", "b"]})[1] == {0: "a", 1: "b"}
    assert correct({"cluster": [0, 1], "name": ["b", "a"]})[1] == {0: "b", 1: "a"}


def test_names_may_be_swapped_in_another_case(correct):
    correct({"cluster": [0, 1], "cluster_name": ["Tabby", "cat"]})
    _, names = correct({"cluster": [0, 1], "cluster_name": ["Cat", "tabby"]})
    assert names == {0: "Cat", 1: "tabby"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"row": [0, 120], "cluster": [0, 1]}, "row 120, but rows are numbered 0 to 119"),
        ({"row": [0], "cluster": [77]}, "there is no cluster 77"),
        ({"row": [0], "cluster": [0.5]}, "'0.5' is not a cluster"),
        ({"row": [0], "name": ["item-9"], "cluster": [1]}, "it is of another run"),
        (
            {"file": ["item-0", "item-1", "gone.png"], "cluster": [1, 1, 1]},
            "called 'gone.png'",
        ),
        ({"cluster": [0, 0], "name": ["a", "b"]}, "both 'a' and 'b'"),
        ({"row": [0, 1]}, "no column cluster"),
        ({"colour": ["red"]}, "does not identify rows"),
    ],
)
def test_what_is_not_there_is_said_and_nothing_is_done(correct, fitted, table, said):
    with pytest.raises(InputError, match=said):
        correct(table)
    assert fitted.edits.done == []
