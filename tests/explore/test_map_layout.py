import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shoal.core.morton import SIDE
from shoal.explore.map_layout import _shared
from shoal.explore.tiles import TILE, code_range


@given(st.lists(st.tuples(st.integers(64, 127), st.integers(0, 63)), min_size=1, max_size=80))
@settings(max_examples=60, deadline=None)
def test_the_boxes_of_a_square_fill_it_and_lie_over_none(places):
    boxes = _shared(np.array(places), (64, 0), 64)
    assert ((boxes[:, :2] >= (64, 0)) & (boxes[:, 2:] <= (128, 64))).all()
    sides = boxes[:, 2:] - boxes[:, :2]
    assert sides.prod(axis=1).sum() == 64 * 64
    assert set((sides[:, 0] / sides[:, 1]).tolist()) <= {1.0, 2.0}
    for at, box in enumerate(boxes):
        wide = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
        assert np.flatnonzero((wide > 0).all(axis=1)).tolist() == [at]


def test_two_share_a_square_as_they_lie():
    assert _shared(np.array([[5, 9], [6, 1]]), (0, 0), 16).tolist() == [
        [0, 8, 16, 16],
        [0, 0, 16, 8],
    ]


def test_each_row_keeps_to_its_unit_and_has_one_picture_at_last(digits):
    apart, atlas = digits.apart, digits.atlas
    wide, seen = SIDE >> apart.level, []
    for y in range(1 << apart.level):
        for x in range(1 << apart.level):
            a, b = code_range(atlas, x, y, apart.level)
            positions, boxes = apart.unit(x, y)
            seen += positions.tolist()
            assert sorted(positions.tolist()) == sorted(atlas.coded_positions[a:b].tolist())
            assert (boxes[:, :2] // wide == (x, y)).all()
    assert sorted(seen) == list(range(600))


def test_a_picture_is_where_one_clicks_and_grows_with_the_zoom(digits, ask):
    client, sizes = ask(digits), []
    about = client.get("/api/row?row=11").json()
    x, y = about["apart"]
    assert np.abs(np.array([x, y]) - about["xy"]).max() <= 2**-digits.apart.level
    for zoom in (9, 10):
        found = client.get(f"/api/map/at?x={x:.7f}&y={y:.7f}&z={zoom}").json()
        assert (found["row"], found["count"]) == (11, 1)
        shown = digits.shown((zoom, int(x * 2**zoom), int(y * 2**zoom)), False)
        (box,) = shown.boxes[digits.atlas.rows[shown.positions] == 11]
        sizes.append(box[2] - box[0])
    assert sizes[1] == 2 * sizes[0] >= TILE // 8
    outline = [[x - 1e-5, y - 1e-5], [x + 1e-5, y - 1e-5], [x + 1e-5, y + 1e-5]]
    outline.append([x - 1e-5, y + 1e-5])
    chosen = client.post("/api/sets", json={"area": outline, "apart": True}).json()
    assert chosen["rows"] == 1
    rows = client.get(f"/api/rows?set={chosen['set']}").json()["rows"]
    assert [row["row"] for row in rows] == [11]


@pytest.mark.parametrize("hide", [False, True])
def test_frames_pictures_and_veil_are_of_the_same_rows(digits, ask, hide):
    client = ask(digits)
    name = client.post("/api/sets", json={"clusters": [0]}).json()["set"]
    zoom, chosen = digits.pictures_from, digits.chosen(name).positions
    for y in range(1 << zoom):
        for x in range(1 << zoom):
            shown = digits.shown((zoom, x, y), False)
            lit = shown.any_of(chosen.holds(shown.members))
            where = f"z={zoom}&x={x}&y={y}&set={name}"
            frames = opened(client, f"map/tile?what=frames&{where}{'&hide=1' if hide else ''}")
            cells = shown.cells(digits.cell_bits, np.where(lit, 1, -1 if hide else 0))
            assert np.array_equal(frames[..., 3] > 0, cells >= 0)
            veil = opened(client, f"map/tile?what=veil&{where}")
            every = shown.cells(digits.cell_bits, np.where(lit, 1, 0))
            assert np.array_equal(veil[..., 3] > 0, every == 0)
            mosaic = opened(client, f"map/mosaic?{where}")
            for box, on in zip(np.clip(shown.boxes, 0, TILE).tolist(), lit, strict=True):
                middle = mosaic[(box[1] + box[3]) // 2, (box[0] + box[2]) // 2, 3]
                assert (middle > 0) == on


def opened(client, path):
    answer = client.get(f"/api/{path}")
    assert answer.status_code == 200
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGBA"))


def test_of_a_crowd_some_are_shown_evenly(digits, monkeypatch):
    monkeypatch.setattr("shoal.explore.map_layout._MOST", 2)
    apart = digits.apart
    counts = [
        len(apart.unit(x, y)[0]) for x in range(1 << apart.level) for y in range(1 << apart.level)
    ]
    assert max(counts) == 2
    places = [apart.place(position) for position in range(600)]
    assert None in places
    assert any(place is not None for place in places)
