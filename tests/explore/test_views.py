import io

import numpy as np
import pytest
from PIL import Image

from shoal.core.morton import SIDE, to_places
from shoal.explore.serve import static_files


def good(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()


def picture(answer):
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def said(answer):
    assert answer.status_code == 400
    assert answer.json()["error"]["kind"] == "input"
    return answer.json()["error"]["message"]


def test_the_page_is_served_and_nothing_beside_it(digits, ask):
    client = ask(digits)
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    for name in static_files():
        assert client.get(f"/static/{name}").status_code == 200
    for name in ("../looking.py", "..%2flooking.py", "x.js", "vendor", "/etc/passwd", "%00"):
        assert client.get(f"/static/{name}").status_code == 404
    assert "onclick" not in page.text
    assert "<style" not in page.text


def test_numbers_add_up(explorer, ask):
    client, run = ask(explorer), explorer.run
    facts = good(client.get("/api/run"))
    for k in ("", 1, 5, 12):
        found = good(client.get(f"/api/clusters?k={k}"))
        sizes = {c["id"]: c["rows"] for c in found["clusters"]}
        assert sum(sizes.values()) == facts["rows"] - facts["quarantined"]
        labels = run.labels(**({"k": k} if k else {}))
        assert sizes == {i: int((labels == i).sum()) for i in np.unique(labels[labels >= 0])}
        assert sorted(found["order"]) == sorted(sizes)
        assert len(found["apart"]) == len(sizes) - 1
        assert sorted(found["apart"]) == list(range(2, len(sizes) + 1))


def test_a_page_of_rows_is_a_part_of_the_whole_in_any_order(explorer, ask):
    client = ask(explorer)
    chosen = good(client.post("/api/sets?k=4", json={"clusters": [1, 3]}))
    labels = explorer.run.labels(k=4)
    assert chosen["rows"] == np.isin(labels, [1, 3]).sum()
    assert sum(chosen["clusters"].values()) == chosen["rows"]
    for order in ("typical", "boundary", "random", "tree"):
        query = f"/api/rows?k=4&set={chosen['set']}&order={order}"
        whole = good(client.get(f"{query}&count=500"))
        part = good(client.get(f"{query}&start=7&count=9"))
        assert whole["total"] == chosen["rows"]
        assert part["rows"] == whole["rows"][7:16]
        assert all(labels[r["row"]] == r["cluster"] for r in whole["rows"])
    past = good(client.get(f"/api/rows?set={chosen['set']}&start=99999"))
    assert (past["rows"], past["total"]) == ([], chosen["rows"])


def test_a_set_that_is_forgotten_is_asked_for_again(digits, ask):
    answer = ask(digits).get("/api/rows?set=0123456789abcdef01")
    assert answer.status_code == 410
    assert answer.json()["error"]["kind"] == "gone"


def test_pictures_are_those_of_the_rows_asked_for(digits, ask):
    client = ask(digits)
    images = digits.run.source.read(0, 600).data[..., 0]
    strip = picture(client.get("/api/thumbs?rows=5,17,5"))
    assert np.array_equal(strip, np.concatenate([images[5], images[17], images[5]], axis=1))
    assert np.array_equal(picture(client.get("/api/image?row=9")), images[9])
    chosen = good(client.post("/api/sets", json={"rows": [3, 4]}))
    mean = picture(client.get(f"/api/mean?set={chosen['set']}"))
    assert np.abs(mean.astype(float) - images[[3, 4]].mean(0)).max() <= 0.5


def test_vectors_have_numbers_instead_of_pictures(vectors, ask):
    client = ask(vectors)
    assert good(client.get("/api/run"))["thumb"] is None
    found = good(client.get("/api/values?rows=3,4"))
    values = vectors.run.source.read(3, 4).data[0]
    assert np.allclose(found["rows"]["3"]["shown"], values, rtol=1e-3)
    assert len(found["mean"]) == len(found["rows"]["3"]["away"]) == 5
    assert found["numbers"] == 5
    assert "no pictures" in said(client.get("/api/thumbs?rows=3"))


def test_a_row_tells_what_it_lies_between(explorer, ask):
    client = ask(explorer)
    labels, confidence = explorer.run.labels(), explorer.run.confidence()
    for row in (0, 30, 599):
        if labels[row] < 0:
            continue
        found = good(client.get(f"/api/row?row={row}"))
        assert found["cluster"] == labels[row]
        assert found["confidence"] == pytest.approx(confidence[row], abs=1e-3)
        assert sum(b["share"] for b in found["between"]) == pytest.approx(1, abs=0.01)
        near = found["neighbours"]
        assert row not in [n["row"] for n in near]
        away = [n["distance"] for n in near]
        assert away == sorted(away)
        assert all(0 <= v <= 1 for v in found["xy"])


def test_a_quarantined_row_says_why(vectors, ask):
    client = ask(vectors)
    bad = int(np.flatnonzero(vectors.run.labels() < 0)[0])
    assert "finite" in good(client.get(f"/api/row?row={bad}"))["quarantined"]
    assert good(client.get("/api/quarantine"))["total"] == 2


def test_rows_without_their_source_are_still_explored(digits, ask):
    (digits.run.path.parent / "digits.npy").unlink(missing_ok=True)
    digits.run._folder.about["settings"]["source"] = "/nowhere/digits.npy"
    client = ask(digits)
    facts = good(client.get("/api/run"))
    assert "gone" in facts["trouble"]
    assert facts["thumb"] is None
    assert good(client.get("/api/rows"))["total"] == 600
    assert "gone" in said(client.get("/api/thumbs?rows=3"))


def test_the_map_has_tiles_pictures_and_what_lies_under_the_pointer(digits, ask):
    client = ask(digits)
    about = good(client.get("/api/map"))
    assert about["ready"]
    assert 0 < about["recall"] <= 1
    whole = picture(client.get("/api/map/tile?z=0&x=0&y=0"))
    assert whole.shape == (512, 512, 4)
    chosen = good(client.post("/api/sets", json={"clusters": [0]}))["set"]
    lit = picture(client.get(f"/api/map/tile?z=0&x=0&y=0&set={chosen}"))
    assert (lit[..., 3] > 100).sum() < (whole[..., 3] > 100).sum()
    part, lit = (
        picture(client.get(f"/api/map/tile?z=1&x=0&y=0{q}")) for q in ("", f"&set={chosen}")
    )
    assert np.array_equal(lit[..., 3] > 0, part[..., 3] > 0)  # the others are faint
    frames = picture(client.get("/api/map/tile?z=2&x=1&y=1&what=frames&true=1"))
    assert frames.shape == (16, 16, 4)
    mosaic = picture(client.get("/api/map/mosaic?z=2&x=1&y=1&true=1"))
    assert mosaic.shape == (512, 512, 4)
    shown = mosaic.reshape(16, 32, 16, 32, 4)[:, 16, :, 16, 3] > 0
    assert np.array_equal(shown, frames[..., 3] > 0)
    row = good(client.get("/api/row?row=11"))
    x, y = row["xy"]
    found = good(client.get(f"/api/map/at?x={x:.7f}&y={y:.7f}&z=9&true=1"))
    assert found["row"] == 11
    assert good(client.get("/api/map/at?x=0&y=0&z=3"))["row"] is None


def test_an_empty_part_of_the_map_is_told_from_one_with_rows(explorer, ask):
    client, draw = ask(explorer), np.random.default_rng(2)
    places = np.stack(to_places(explorer.atlas.spots[:]), 1) / SIDE
    seen = set()
    for _ in range(150):
        wide = 2.0 ** -draw.integers(0, 14)
        x0, y0 = draw.random(2) * (1 - wide)
        corners = {"x0": x0, "y0": y0, "x1": x0 + wide, "y1": y0 + wide}
        query = "&".join(f"{name}={v:.7f}" for name, v in corners.items())
        some = good(client.get(f"/api/map/occupied?{query}"))["occupied"]

        def within(margin, x0=x0, y0=y0, wide=wide):
            low, high = np.array([x0, y0]) - margin, np.array([x0, y0]) + wide + margin
            return bool(((places >= low) & (places <= high)).all(axis=1).any())

        # Exact but for the cells on the edge, a 32nd of the width at most.
        assert within(0) <= some <= within(wide / 16 + 2 / SIDE)
        seen.add(some)
    assert seen == {True, False}


def test_an_area_of_the_map_is_a_set(digits, ask):
    client = ask(digits)
    outline = [[0, 0], [1, 0], [1, 0.5], [0, 0.5]]
    top = good(client.post("/api/sets", json={"area": outline}))
    rest = good(client.post("/api/sets", json={"area": [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]}))
    assert top["rows"] + rest["rows"] == 600
    shown = good(client.get(f"/api/rows?set={top['set']}&count=50"))
    ys = [good(client.get(f"/api/row?row={r['row']}"))["xy"][1] for r in shown["rows"][:10]]
    assert max(ys) < 0.5


def test_before_the_map_is_drawn_the_page_is_told(digits, ask):
    import shutil

    shutil.rmtree(digits.run.path / "map")
    client = ask(digits)
    assert good(client.get("/api/map")) == {"ready": False, "share": 0.0, "trouble": None}
    assert good(client.get("/api/clusters"))["clusters"][0]["xy"] is None
    assert "not ready yet" in said(client.get("/api/map/tile?z=0&x=0&y=0"))


@pytest.mark.parametrize(
    ("query", "rule"),
    [
        ("clusters?k=0", "k 0: give 1 to 600"),
        ("clusters?k=601", "k 601: give 1 to 600"),
        ("clusters?k=ten", "whole number"),
        ("rows?order=best", "give one of typical"),
        ("rows?count=501", "give 1 to 500"),
        ("rows?start=-1", "give 0 to"),
        ("thumbs?rows=1,2,x", "3,17,4"),
        ("thumbs?rows=600", "row 600: give 0 to 599"),
        ("thumbs?rows=1&side=3000", "give one of 8"),
        ("row", "whole number"),
        ("image?row=-1", "give 0 to 599"),
        ("map/tile?z=14&x=0&y=0", "z 14: give 0 to 13"),
        ("map/tile?z=2&x=4&y=0", "x 4: give 0 to 3"),
        ("map/at?x=2&y=0&z=0", "from 0 to 1"),
        ("map/occupied?x0=0.5&y0=0&x1=0.1&y1=1", "the upper left and the lower right corner"),
    ],
)
def test_what_cannot_be_is_refused_with_the_rule(digits, ask, query, rule):
    assert rule in said(ask(digits).get(f"/api/{query}"))


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{",
        b'{"rows": [600]}',
        b'{"rows": [-1]}',
        b'{"rows": [1.5]}',
        b'{"rows": [true]}',
        b'{"rows": 3}',
        b'{"area": [[0, 0], [1, 1]]}',
        b'{"area": [[0, 0], [1, 1], [2, 9]]}',
        b'{"area": [[0, 0], [1, 1], [NaN, 0]]}',
        b'{"path": "/etc/passwd"}',
        b"[" * 100_000,
    ],
)
def test_a_set_that_cannot_be_is_refused(digits, ask, body):
    assert said(ask(digits).post("/api/sets", content=body))


def test_an_edit_in_the_midst_of_an_answer_is_not_kept_for_what_comes_after(digits, monkeypatch):
    """What is found by the clusters before an edit must not pass for what is there after it."""
    names = ("cut", "chosen")
    name, _ = digits.choose({"clusters": [0]}, None)
    for method in names:
        asked = getattr(type(digits), method)

        def late(self, *given, asked=asked):
            found = asked(self, *given)
            if not self.curation.done:
                self.curation.merge([0, 1])
            return found

        with monkeypatch.context() as patch:
            patch.setattr(type(digits), method, late)
            digits.ordered(name, None, "typical", 0)
            digits.lit_codes(name)
        assert digits.curation.done
        fresh = type(digits)(digits.run, digits.home)
        fresh.choose({"clusters": [0]}, None)
        found = digits.ordered(name, None, "typical", 0)
        assert len(found) == digits.curation.sizes()[0] == len(digits.lit_codes(name))
        expected = fresh.ordered(name, None, "typical", 0)
        assert found.take(0, 50).tolist() == expected.take(0, 50).tolist()
        digits.curation.undo()


def test_a_set_has_its_bounds_on_the_map(digits, ask):
    client = ask(digits)
    assert good(client.get("/api/map/bounds")) == {"low": [0, 0], "high": [1, 1]}
    chosen = good(client.post("/api/sets", json={"clusters": [0]}))["set"]
    found = good(client.get(f"/api/map/bounds?set={chosen}"))
    positions = digits.cut(None).positions_of(0).all()
    places = np.stack(to_places(digits.atlas.spots[positions]), 1) / SIDE
    inside = ((places >= found["low"]) & (places <= found["high"])).all(axis=1)
    assert 0.9 < inside.mean() <= 1
    none = good(client.post("/api/sets", json={"clusters": [999]}))["set"]
    assert "no rows to zoom to" in said(client.get(f"/api/map/bounds?set={none}"))


def test_only_what_is_selected_can_be_drawn(digits, ask):
    client = ask(digits)
    chosen = good(client.post("/api/sets", json={"clusters": [0]}))["set"]
    for x, y in ((1, 1), (2, 1), (1, 2), (2, 2)):
        where = f"z=2&x={x}&y={y}&set={chosen}&true=1"
        for what in ("density", "frames"):
            faint = picture(client.get(f"/api/map/tile?{where}&what={what}"))
            alone = picture(client.get(f"/api/map/tile?{where}&what={what}&hide=1"))
            strong = faint[..., 3] > 100
            assert np.array_equal(alone[..., 3] > 0, strong)
        mosaic = picture(client.get(f"/api/map/mosaic?{where}"))
        shown = mosaic.reshape(16, 32, 16, 32, 4)[:, 16, :, 16, 3] > 0
        assert np.array_equal(shown, alone[..., 3] > 0)
