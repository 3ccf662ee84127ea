import csv
import io

import pytest


def good(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()


def names_at(client, k=""):
    clusters = good(client.get(f"/api/clusters?k={k}"))["clusters"]
    return {c["id"]: c["called"] for c in clusters}


def rows_of(explorer, k, cluster):
    return set((explorer.run.labels(k=k) == cluster).nonzero()[0].tolist())


def test_a_name_shows_in_every_cut_that_has_its_rows(explorer, ask):
    client, base = ask(explorer), explorer.curation.k
    explorer.curation.rename(0, "zeros")
    mine = rows_of(explorer, base, 0)
    assert names_at(client)[0] == "zeros"
    for k in range(2, 2 * base):
        for cluster, name in names_at(client, k).items():
            rows = rows_of(explorer, k, cluster)
            if rows == mine:
                assert name == "zeros"
            elif rows < mine and len(rows) < 0.9 * len(mine):
                assert name == "part of zeros"
            elif not rows & mine:
                assert name is None
            elif rows > mine and len(mine) < 0.9 * len(rows):
                assert name == "zeros and others"


def test_clusters_that_came_together_list_their_names_up_to_two(digits, ask):
    client = ask(digits)
    for cluster in range(digits.curation.k):
        digits.curation.rename(cluster, f"n{cluster}")
    assert names_at(client, 1) == {0: "n0, n1 and others"}
    # The last split parts two: the cut before it has both as one.
    merged = names_at(client, digits.curation.k - 1)
    pairs = [name for name in merged.values() if name and ", " in name]
    assert len(pairs) == 1
    apart = {part for name in merged.values() for part in name.split(", ")}
    assert sorted(apart) == sorted(f"n{cluster}" for cluster in range(digits.curation.k))


def test_a_few_moved_rows_take_no_name_away_and_merged_ones_are_parts(digits, ask):
    client, base = ask(digits), digits.curation.k
    digits.curation.rename(0, "zeros")
    inside = sorted(rows_of(digits, base, 0))
    digits.curation.move(inside[:2], 1)
    assert names_at(client, base)[0] == "zeros"
    digits.curation.merge([0, 1], 0)
    plain = names_at(client, base)
    assert plain[0] == plain[1] == "part of zeros"


@pytest.mark.parametrize("form", ["csv", "compare"])
def test_names_are_kept_where_another_cut_leaves_the_page(digits, ask, form):
    client, base = ask(digits), digits.curation.k
    digits.curation.rename(0, "zeros")
    digits.curation.merge([1, 2])
    if form == "csv":
        text = client.get(f"/api/export?as=csv&k={base}").text
        called = {r["cluster"]: r["cluster_name"] for r in csv.DictReader(io.StringIO(text))}
        assert called["0"] == "zeros"
        assert called["3"] == ""
    else:
        found = good(client.get(f"/api/compare?before={base}&after={base}"))
        assert found["names_before"] == found["names_after"] == {"0": "zeros"}
