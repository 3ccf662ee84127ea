import io

import numpy as np
import pytest
from PIL import Image

from shoal.core.morton import SIDE, raster, to_places
from shoal.errors import InputError
from shoal.explore import area
from shoal.explore.area import positions_within
from shoal.explore.colours import palette
from shoal.explore.tiles import FINE, Spots, code_range, density_png, lit_spots, spot_bits, spots


def places(explorer):
    x, y = to_places(explorer.atlas.spots[:])
    return x.astype(int), y.astype(int)


@pytest.mark.parametrize("zoom", [0, 1, 3, 9])
def test_counts_are_exact_and_colours_those_of_the_most(explorer, zoom):
    explorer.curation.move(explorer.curation.rows_of(0)[::2], to=1)
    cut, (x, y) = explorer.cut(None), places(explorer)
    labels = cut.labels(np.arange(explorer.atlas.n_positions))
    bits = spot_bits(zoom, 5)
    shift = 16 - zoom - bits
    total = 0
    for tile in sorted(set(zip((x >> 16 - zoom).tolist(), (y >> 16 - zoom).tolist(), strict=True))):
        found = spots(cut, zoom, *tile, bits)
        total += found.counts.sum()
        counts, clusters = (found.counts[raster(bits)], found.cluster[raster(bits)])
        for at in np.flatnonzero(counts)[:40]:
            down, across = divmod(int(at), 1 << bits)
            here = (x >> shift == (tile[0] << bits) + across) & (
                y >> shift == (tile[1] << bits) + down
            )
            assert counts[at] == here.sum()
            tally = np.bincount(labels[here])
            assert tally[clusters[at]] == tally.max()
    assert total == explorer.atlas.n_positions


def test_counting_beforehand_gives_the_same(vectors):
    from shoal.stages import map as module

    atlas = vectors.atlas
    coarse = module._coarse(atlas.codes[:], atlas.coded_leaves[:], len(atlas.order))
    vectors.curation.move(vectors.curation.rows_of(0)[::3], to=1)
    cut = vectors.cut(None)
    plain = [spots(cut, 0, 0, 0, FINE), spots(cut, 2, 1, 2, FINE)]
    atlas.__dict__["coarse"] = tuple(coarse[name] for name in ("cell", "leaf", "count"))
    again = [spots(cut, 0, 0, 0, FINE), spots(cut, 2, 1, 2, FINE)]
    for one, other in zip(plain, again, strict=True):
        assert np.array_equal(one.counts, other.counts)
        assert ((one.cluster >= 0) == (other.cluster >= 0)).all()
    assert again[0].counts.sum() == 898


def test_chosen_rows_are_counted_in_their_spots(digits):
    codes = np.sort(digits.atlas.spots[np.arange(0, 600, 7)])
    assert lit_spots(codes, 0, 0, 0, 6).sum() == len(codes)
    tiles = [lit_spots(codes, 1, x, y, 6).sum() for x in (0, 1) for y in (0, 1)]
    assert sum(tiles) == len(codes)


def test_a_cell_has_the_codes_of_its_places(explorer):
    x, y = places(explorer)
    for level in (0, 4, 10, 13):
        for position in (0, 100, 500):
            cell = int(x[position]) >> 16 - level, int(y[position]) >> 16 - level
            a, b = code_range(explorer.atlas, *cell, level)
            inside = (x >> 16 - level == cell[0]) & (y >> 16 - level == cell[1])
            assert sorted(explorer.atlas.coded_positions[a:b]) == np.flatnonzero(inside).tolist()


def test_tiles_are_pictures_empty_where_nothing_is(digits):
    cut = digits.cut(None)
    found = spots(cut, 0, 0, 0, FINE)
    picture = Image.open(io.BytesIO(density_png(found, digits.colours(cut), digits.usual)))
    pixels = np.asarray(picture)
    assert pixels.shape == (256, 256, 4)
    counts = found.counts[raster(FINE)].reshape(256, 256)
    assert np.array_equal(pixels[..., 3] > 0, counts > 0)
    faint = density_png(found, digits.colours(cut), digits.usual, 0 * found.counts)
    assert np.asarray(Image.open(io.BytesIO(faint)))[..., 3].max() < 60


def test_large_spots_are_round_and_no_spot_reaches_another(digits):
    cut, bits = digits.cut(None), 6
    found = spots(cut, 0, 0, 0, bits)
    side = 512 >> bits
    pixels = np.asarray(
        Image.open(io.BytesIO(density_png(found, digits.colours(cut), digits.usual)))
    )
    assert pixels.shape == (512, 512, 4)
    alpha = pixels[..., 3].reshape(64, side, 64, side).swapaxes(1, 2)
    filled = found.counts[raster(bits)].reshape(64, 64) > 0
    assert np.array_equal(alpha[..., side // 2, side // 2] > 0, filled)
    assert not alpha[..., 0, 0].any()  # the corners
    # Smaller ones reach over their neighbours, each in its own colour.
    found = spots(cut, 0, 0, 0, 7)
    pixels = np.asarray(
        Image.open(io.BytesIO(density_png(found, digits.colours(cut), digits.usual, dot=6)))
    )
    counts, number = (part[raster(7)].reshape(128, 128) for part in (found.counts, found.cluster))
    middle = pixels.reshape(128, 4, 128, 4, 4).swapaxes(1, 2)[:, :, 2, 2]
    shades = palette()[digits.colours(cut)[number[counts > 0]]]
    assert np.array_equal(middle[counts > 0][:, :3], shades)
    assert (middle[..., 3] > 0).sum() == (counts > 0).sum()
    assert (pixels[..., 3] > 0).sum() > 16 * (counts > 0).sum()


def test_the_whole_map_has_soft_edges_in_the_colours_beside_them(digits):
    cut = digits.cut(None)
    found, colours = spots(cut, 0, 0, 0, FINE), digits.colours(cut)
    hard, soft = (
        np.asarray(Image.open(io.BytesIO(density_png(found, colours, digits.usual, None, whole))))
        for whole in (False, True)
    )
    drawn = hard[..., 3] > 0
    assert np.array_equal(hard[drawn], soft[drawn])
    edge = (soft[..., 3] > 0) & ~drawn
    assert edge.sum() > drawn.sum()
    assert soft[edge][:, 3].max() < hard[drawn][:, 3].max()
    alone = digits.cut(1)
    one = np.asarray(
        Image.open(
            io.BytesIO(
                density_png(
                    spots(alone, 0, 0, 0, FINE), digits.colours(alone), digits.usual, None, True
                )
            )
        )
    )
    shade = palette()[digits.colours(alone)[0]].astype(int)
    wrong = np.abs(one[..., :3] - shade) * (one[..., 3:] / 255)  # by as much as it is seen
    assert wrong.max() <= 2


def slow_inside(outline, x, y):
    inside = np.zeros(len(x), bool)
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        crosses = (y0 > y) != (y1 > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return inside


@pytest.mark.parametrize("seed", range(6))
def test_an_outline_holds_the_rows_inside_it(explorer, seed):
    draw = np.random.default_rng(seed)
    turn = np.sort(draw.random(9)) * 2 * np.pi
    radius = draw.uniform(0.05, 0.6, 9)
    outline = 0.5 + radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], 1)
    x, y = places(explorer)
    wanted = slow_inside(outline, (x + 0.5) / SIDE, (y + 0.5) / SIDE)
    assert np.array_equal(positions_within(explorer.atlas, outline).all(), np.flatnonzero(wanted))


def test_outlines_around_all_around_nothing_and_around_too_much(digits, monkeypatch):
    around = np.array([[-1, -1], [2, -1], [2, 2], [-1, 2]], float)
    assert len(positions_within(digits.atlas, around)) == 600
    assert len(positions_within(digits.atlas, around * 1e-4)) == 0
    monkeypatch.setattr(area, "MOST", 100)
    with pytest.raises(InputError, match="600 images, more than 100"):
        positions_within(digits.atlas, around)


def test_a_soft_halo_lies_under_the_dots_of_the_whole_map(digits):
    cut = digits.cut(None)
    found = spots(cut, 0, 0, 0, FINE)
    plain, haloed = (
        np.asarray(
            Image.open(
                io.BytesIO(
                    density_png(found, digits.colours(cut), digits.usual, None, whole, digits.dot)
                )
            )
        )
        for whole in (False, True)
    )
    dots = plain[..., 3] > 200
    assert np.abs(haloed[dots][:, :3].astype(int) - plain[dots][:, :3]).max() < 60
    beside = (plain[..., 3] == 0) & (haloed[..., 3] > 20)
    assert beside.sum() > dots.sum() / 4
    assert haloed[plain[..., 3] == 0][:, 3].max() <= 0.23 * 255
    edge = np.ones_like(dots)
    edge[1:-1, 1:-1] = False
    assert not haloed[edge & (plain[..., 3] == 0)][:, 3].any()  # or it would end in a line
    none = spots(digits.cut(None), 0, 0, 0, FINE).counts * 0
    empty = density_png(Spots(FINE, none, found.cluster), digits.colours(cut), 1, None, True, 6)
    assert not np.asarray(Image.open(io.BytesIO(empty)))[..., 3].any()
