import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shoal
from shoal.errors import InputError
from shoal.export import export
from shoal.export.forms import _for_atlas


def test_rows_that_are_gone_are_exported_without_pictures(tmp_path):
    rows = np.random.default_rng(0).normal(size=(40, 3)) + np.repeat([[0], [20]], 20, 0)
    run = shoal.fit(rows, tmp_path / "run", workers=1)
    run = shoal.open(tmp_path / "run")
    found = run.export(tmp_path / "map.parquet", "atlas")
    assert "without pictures" in found.remarks[0]
    table = pq.read_table(found.path)
    assert table.column_names == ["row", "name", "x", "y", "cluster", "cluster_name"]
    assert np.bincount(table["cluster"]).tolist() == [20, 20]
    with pytest.raises(InputError, match="exists"):
        run.export(tmp_path / "map.parquet", "atlas")
    for form in ("csv", "parquet"):
        counted = []
        export(run, tmp_path / form, form, list, on_done=counted.append)
        assert sum(counted) == 40


def test_rows_without_a_place_are_left_out_and_y_points_upwards():
    given = pa.table(
        {
            "row": [0, 1, 2],
            "name": ["a", "b", "c"],
            "x": [0.25, None, 0.5],
            "y": [0.125, None, 0.5],
            "cluster": [1, -1, 0],
            "cluster_name": [None, None, "cats"],
        }
    )
    found = _for_atlas(None, given).to_pydict()
    assert found["y"] == [0.875, 0.5]
    assert found["cluster_name"] == ["1", "cats"]


def test_what_does_not_go_together_is_refused(vector_run, tmp_path):
    for form, how, said in (
        ("pdf", {}, "choose folders"),
        ("html", {"quoted": True}, "only in csv"),
        ("coco", {}, "are not images"),
    ):
        with pytest.raises(InputError, match=said):
            export(vector_run, tmp_path / "out", form, list, **how)
