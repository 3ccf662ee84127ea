import numpy as np
import pytest

from shoal.cli.added import verdict


def rows(of, seed):
    draw = np.random.default_rng(seed)
    centres = 30 * np.eye(4, 6)
    return (centres[np.asarray(of)] + draw.normal(size=(len(of), 6))).astype(np.float32)


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """Vectors of three groups, fitted; then more of them, and more with a fourth group."""
    folder = tmp_path_factory.mktemp("added")
    old = rows(np.arange(240) % 3, 0)
    np.save(folder / "old.npy", old)
    np.save(folder / "same.npy", np.concatenate([old, rows(np.arange(60) % 3, 1)]))
    np.save(folder / "other.npy", np.concatenate([old, rows(np.arange(100) % 4, 2)]))
    return folder


@pytest.fixture(scope="module")
def first(grown, shoal):
    run = grown / "old.shoal"
    assert shoal("fit", grown / "old.npy", "-o", run, "-q").exit_code == 0
    return run


def test_rows_like_the_old_ones_fit(grown, first, shoal, told):
    words = ("fit", grown / "same.npy", "-o", grown / "same.shoal", "--previous", first)
    said = shoal(*words).stdout
    assert "60 rows were added to 240 of" in said
    assert "The new rows fit." in said
    assert "proposed" not in said
    drift = told(*words)["drift"]
    assert (drift["fits"], drift["signs"], drift["proposals"]) == (True, [], [])
    about = told("info", grown / "same.shoal")["added"]
    assert about["previous"] == str(first)
    assert (about["kept"], about["added"], about["fits"]) == (240, 60, True)


def test_a_new_group_is_proposed_and_taken_and_given_back(grown, first, shoal, told):
    run = grown / "other.shoal"
    words = ("fit", grown / "other.npy", "-o", run, "--previous", first)
    said = shoal(*words).stdout
    assert "25 of the 100 new rows (25.0%) fit no cluster; proposed new clusters: 1." in said
    assert "new 0" in said
    assert "add --accept-new" in said
    said = shoal(*words, "--accept-new").stdout
    assert "1 new cluster, by edits" in said
    found = told(*words, "--accept-new")
    assert found["accepted"] == [3]
    assert found["drift"]["proposals"][0]["rows"] == 25
    assert shoal("edits", "undo", run, 1).exit_code == 0


def test_a_dry_run_counts_the_new_rows_only(grown, first, told):
    run = grown / "dry.shoal"
    words = ("fit", grown / "other.npy", "-o", run, "--previous", first, "--dry-run")
    found = told(*words)
    assert not run.exists()
    assert "100 rows come after the 240 of" in str(found)
    assert "drift" in str(found)


def test_a_verdict_without_proposals():
    misfits = {"rows": 12, "share": 0.012}
    report = {"kind": "images", "read": 1000, "misfits": misfits, "proposals": [], "fits": False}
    told = verdict({**report, "signs": ["unlike"]})
    assert told == (
        "12 of the 1,000 new images (1.2%) fit no cluster; no new cluster was proposed."
    )
    assert "fit worse than the old ones" in verdict({**report, "signs": ["stretched"]})
    assert verdict({**report, "fits": True, "signs": []}) == "The new images fit."
