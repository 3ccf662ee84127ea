from pathlib import Path

import numpy as np
import pytest

from shoal.storage.fingerprints import canonical_json, fingerprint


def test_order_of_keys_and_kind_of_sequence_do_not_matter():
    assert fingerprint({"a": 1, "b": (2, 3)}) == fingerprint({"b": [2, 3], "a": 1})


def test_numpy_numbers_and_paths_are_plain():
    assert canonical_json([np.int32(3), np.float64(0.5), np.arange(2), Path("a")]) == (
        '[3,0.5,[0,1],"a"]'
    )


def test_every_change_changes_it():
    prints = [
        fingerprint(None),
        fingerprint({}),
        fingerprint({"a": 1}),
        fingerprint({"a": 1.5}),
        fingerprint({"a": 1}, "00"),
        fingerprint({"a": 1}, "00", "11"),
        fingerprint({"a": 1}, "11", "00"),
    ]
    assert len(set(prints)) == len(prints)


def test_it_is_the_same_in_every_process_and_version():
    assert fingerprint({"seed": 0}) == "10fa41c410f204c10d558d0a97621e7a"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises((TypeError, ValueError)):
        fingerprint(value)
