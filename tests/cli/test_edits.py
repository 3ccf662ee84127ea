import csv
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest

from shoal import api
from shoal.edits.carry import carry_over
from shoal.edits.log import Draft
from shoal.edits.operations import OPERATIONS, Operation
from shoal.edits.operations.base import ClusterId, Command


@pytest.fixture
def mine(photos_run, tmp_path):
    """A copy of a run that may be edited: 120 photos of three digits, one unreadable file."""
    return shutil.copytree(photos_run, tmp_path / "photos.shoal")


def test_a_run_without_edits_says_how_to_begin(shoal, told, mine):
    assert "shoal edits" in shoal("edits", "list", mine).stdout
    assert told("edits", "list", mine)["edits"] == []


def test_edits_of_every_kind(shoal, told, mine):
    k = api.open(mine).primary.k
    for word, *more in (
        ("name", 0, "cats"),
        ("note", 0, "all = the same"),
        ("junk", 1),
        ("unmark", 1),
        ("lock", 1),
        ("unlock", 1),
        ("move", "0-2,7"),
        ("move", "8,9", "--name", "odd ones"),
        ("move", 10, "--to", 0),
        ("confirm", 10, 0),
        ("quiz", 0, 10),
        ("merge", 0, 1),
        ("split", 0, "--parts", 2),
        ("split", 2),
        ("apart", 0, 2),
        ("whole", 2),
        ("name", 0, ""),
        ("start", "--k", 4),
        ("undo",),
        ("undo", 3),
        ("redo", "all"),
        ("undo", "all"),
    ):
        result = shoal("edits", word, mine, *more)
        assert result.exit_code in (0, 2), result.stderr
        if word != "split":  # these may have nothing to split
            assert result.exit_code == 0, (word, result.stderr)
            assert "120 rows (1 quarantined)" in result.stdout
    facts = told("edits", "list", mine)
    assert not any(e["in_effect"] for e in facts["edits"])
    assert [e["seq"] for e in facts["edits"]] == list(range(1, len(facts["edits"]) + 1))
    assert len(facts["clusters"]) == k
    notes = [e["facts"]["note"] for e in facts["edits"] if e["op"] == "note"]
    assert notes == ["all = the same"]
    assert "undone" in shoal("edits", "list", mine).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("merge", "RUN", 0), "at least two different clusters"),
        (("merge", "RUN", 0, "x"), "Invalid value for 'CLUSTERS'"),
        (("merge", "RUN", 0, 1, "--into", 99), "there is no cluster 99"),
        (("move", "RUN", "x"), "are not rows: give numbers such as 17,20-29"),
        (("name", "RUN", 0), "NAME"),
        (("apart", "RUN", 0, 1, 2), "unexpected extra argument"),
        (("merges", "RUN", 0, 1), "No such command 'merges'"),
        (("undo", "RUN"), "there is nothing to undo"),
        (("undo", "RUN", "some"), "N must be a whole number or all; got 'some'"),
        (("redo", "RUN", "all"), "there is nothing to redo"),
        (("import", "RUN", "nothing.json"), "not a file of edits that can be read"),
    ],
)
def test_what_makes_no_sense_is_said(shoal, mine, words, said):
    result = shoal("edits", *(mine if word == "RUN" else word for word in words))
    assert (result.exit_code, result.stdout, said in result.stderr) == (2, "", True), result.stderr
    assert not (mine / "edits.sqlite").exists() or api.open(mine).edits.seq == 0


class Sign(Operation):
    """An edit that Shoal does not have: it signs the note of a cluster."""

    name = "sign"
    commands = (Command("sign", "Sign a cluster."),)

    def plan(self, site, cluster: ClusterId, by: Annotated[str, "Who signs."] = "me"):
        return Draft(self.name, {"cluster": site.state.existing(cluster), "by": by})

    def apply(self, state, edit):
        cluster = state.clusters[edit.facts["cluster"]]
        return state.changed(replace(cluster, note=f"signed by {edit.facts['by']}"))

    def describe(self, edit, words):
        return f"{edit.facts['by']} signed {words.cluster(edit.facts['cluster'])}"


def test_an_operation_from_outside_is_a_command_an_edit_and_is_carried_over(
    shoal, told, mine, photos_run, tmp_path, monkeypatch
):
    monkeypatch.setitem(OPERATIONS, Sign.name, Sign())
    assert "Sign a cluster." in shoal("edits", "--help").stdout
    told("edits", "name", mine, 1, "ones")
    done = told("edits", "sign", mine, 1, "--by", "Ada")
    assert [e["summary"] for e in done["done"]] == ["Ada signed cluster 1"]
    assert done["changed"][0]["note"] == "signed by Ada"
    assert told("edits", "undo", mine)["changed"][0]["note"] == ""
    assert told("edits", "redo", mine)["changed"][0]["note"] == "signed by Ada"

    told("edits", "export", mine, tmp_path / "edits.json")
    other = shutil.copytree(photos_run, tmp_path / "other.shoal")
    told("edits", "import", other, tmp_path / "edits.json")
    assert told("edits", "list", other)["clusters"] == told("edits", "list", mine)["clusters"]

    third = shutil.copytree(photos_run, tmp_path / "third.shoal")
    assert carry_over(api.open(mine).edits, api.open(third).edits).skipped == ()
    assert told("edits", "list", third)["clusters"] == told("edits", "list", mine)["clusters"]


def test_the_page_takes_an_operation_from_outside():
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_edits import OPERATIONS, Sign; OPERATIONS['sign'] = Sign()\n"
        "from shoal.explore import editing, routes\n"
        "print('sign' in editing.OPERATIONS, routes.EDITED['by'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "True ({'type': 'string'}, 'Who signs.')\n", done.stderr


def test_a_name_that_is_taken_says_who_would_go_into_whom(shoal, mine):
    shoal("edits", "name", mine, 0, "Cats")
    result = shoal("edits", "name", mine, 1, "cats")
    assert result.exit_code == 2
    assert "cluster 1 (" in result.stderr
    assert "would go into 0" in result.stderr


def test_labels_export_and_predict_give_the_edited_clusters(shoal, told, mine, photos, tmp_path):
    raw = api.open(mine).labels()
    shoal("edits", "merge", mine, 0, 1, "--into", 0)
    shoal("edits", "name", mine, 0, "cats/dogs")
    assert told("labels", mine)["clusters"][0]["name"] == "cats/dogs"
    assert told("labels", mine)["edited"]
    assert not told("labels", mine, "--raw")["edited"]
    assert len(told("labels", mine, "--raw")["clusters"]) == len(np.unique(raw[raw >= 0]))
    assert not told("labels", mine, "--k", 5)["edited"]

    path = tmp_path / "labels.csv"
    assert "as edited" in shoal("labels", mine, "-o", path).stdout
    lines = list(csv.DictReader(path.read_text().splitlines()))
    assert [int(line["cluster"]) for line in lines] == np.where(raw == 1, 0, raw).tolist()
    assert {line["cluster_name"] for line in lines} == {"cats/dogs", ""}

    assert shoal("export", mine, "--to", tmp_path / "f", "--as", "folders", "-q").exit_code == 0
    folders = {p.parent.name for p in (tmp_path / "f").glob("*/*.png")}
    assert "cluster-000-cats_dogs" in folders
    assert "cluster-001" not in folders
    undone = ("export", mine, "--to", tmp_path / "f", "--as", "folders", "--undo")
    assert told(*undone)["done"] == 120
    assert shoal("export", mine, "--to", tmp_path, "--as", "html").exit_code == 0
    page = (tmp_path / "report.html").read_text()
    assert "cats/dogs (cluster 0)" in page
    assert "edited by hand" in page
    raw_page = ("export", mine, "--to", tmp_path / "raw.html", "--as", "html", "--raw")
    assert shoal(*raw_page).exit_code == 0
    assert "cats/dogs" not in (tmp_path / "raw.html").read_text()

    new = tmp_path / "new.csv"
    told("predict", mine, photos / "digit-0", "-o", new)
    lines = list(csv.DictReader(new.read_text().splitlines()))
    assert {line["cluster_name"] for line in lines if line["cluster"] == "0"} <= {"cats/dogs"}
    assert "1" not in {line["cluster"] for line in lines}
    told("predict", mine, photos / "digit-0", "-o", tmp_path / "raw.csv", "--raw")
    assert "cluster_name" not in (tmp_path / "raw.csv").read_text()


def test_names_come_back_from_a_table(shoal, told, mine, tmp_path):
    told("labels", mine, "-o", tmp_path / "labels.csv")
    lines = (tmp_path / "labels.csv").read_text().splitlines()
    named = [f"{lines[0]},cluster_name", *(f"{line},c{line.split(',')[2]}" for line in lines[1:])]
    (tmp_path / "mine.csv").write_text("\n".join(named).replace(",c-1", ","))
    k = api.open(mine).primary.k
    assert len(told("edits", "import", mine, tmp_path / "mine.csv")["done"]) == k
    again = shoal("edits", "import", mine, tmp_path / "mine.csv")
    assert (again.exit_code, again.stdout) == (0, "No edits: all of it is so already.\n")


def test_edits_are_exported_and_imported(shoal, told, mine, photos_run, tmp_path):
    for word, *more in (("move", "3-5"), ("merge", 0, 1), ("undo",), ("name", 2, "two")):
        assert shoal("edits", word, mine, *more).exit_code == 0
    path = tmp_path / "edits.json"
    assert told("edits", "export", mine, path)["edits"] == 4
    assert json.loads(path.read_text())["edits"][0]["rows"] == "3-5"
    assert "--force" in shoal("edits", "export", mine, path).stderr
    other = shutil.copytree(photos_run, tmp_path / "other.shoal")
    assert len(told("edits", "import", other, path)["done"]) == 4
    assert np.array_equal(api.open(other).labels(), api.open(mine).labels())
    assert told("edits", "list", other)["clusters"] == told("edits", "list", mine)["clusters"]
    again = shoal("edits", "import", other, path)
    assert (again.exit_code, "undo them first" in again.stderr) == (2, True)
    assert shoal("edits", "undo", other, "all").exit_code == 0
    assert shoal("edits", "import", other, path).exit_code == 0
    assert sorted(told("edits", "list", other)["clusters"][i]["rows"] for i in range(3)) == sorted(
        told("edits", "list", mine)["clusters"][i]["rows"] for i in range(3)
    )


def test_a_log_of_another_fit_stops_all_but_raw(shoal, mine, photos_run, tmp_path):
    shoal("edits", "merge", mine, 0, 1)
    receipt = mine / "assign" / "_done.json"
    receipt.write_text(receipt.read_text().replace('"fingerprint": "', '"fingerprint": "f'))
    result = shoal("labels", mine)
    assert (result.exit_code, "are from another fit" in result.stderr) == (2, True)
    assert shoal("labels", mine, "--raw").exit_code == 0
    assert "another fit" in shoal("info", mine).stdout


def test_a_new_fit_carries_the_edits_over_and_says_what_it_could_not(
    shoal, told, mine, photos, tmp_path
):
    shoal("edits", "name", mine, 0, "zeros")
    shoal("edits", "good", mine, 2)
    out = tmp_path / "new.shoal"
    result = shoal("fit", photos, "-o", out, "--previous", mine, "--layers", 2)
    assert result.exit_code == 0, result.stderr
    entries = told("edits", "list", out)["edits"]
    skipped = [entry for entry in entries if entry["op"] == "skipped"]
    assert len(entries) == 2
    if skipped:
        assert "could not be carried over; see shoal edits" in result.stdout
        assert skipped[0]["facts"]["why"] in result.stderr
    again = shoal("fit", photos, "-o", mine, "--seed", 5)
    assert (again.exit_code, "has edits, and these settings" in again.stderr) == (2, True)
