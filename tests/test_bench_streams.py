"""Methods out of core, and palettes, beside other libraries: what is measured and judged."""

import numpy as np
import pytest
from benchmarks import methods, palettes, streams
from benchmarks.base import Measurement
from benchmarks.rows import Context, make_row
from sklearn.metrics import pairwise_distances

import shoal

CONTEXT = Context("abc", "2026-01-02T03:04:05Z", {"cores": 2, "cpu": "x", "memory_gib": 8}, {})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    rows = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
    out = tmp_path_factory.mktemp("streams") / "run"
    return shoal.fit(rows, out, method="kmeans", k=4, workers=1)


def test_inertia_is_to_the_nearest_centre_of_the_projected_rows(run):
    rows = np.concatenate(list(streams.blocks(run.path, 70)))
    centres = streams._centres(run.path)
    slow = pairwise_distances(rows.astype(float), centres).min(axis=1)
    assert streams.inertia(run.path, centres) == pytest.approx((slow**2).sum())


@pytest.mark.parametrize("peer", ["KMeans", "MiniBatchKMeans"])
def test_peers_cluster_the_same_rows(run, peer, tmp_path):
    streams.fit_peer(peer, run.path, tmp_path / "c.npy", 4)
    cost = streams.inertia(run.path, np.load(tmp_path / "c.npy"))
    assert cost == pytest.approx(streams.inertia(run.path, streams._centres(run.path)), rel=0.1)


def test_rows_are_judged_at_each_size():
    own = {"inertia": 9.0, "differing": [], "whole_seconds": 3.0, "ami": 0.5}
    measured = [
        Measurement("kmeans on tiles", 10, 2.0, 50.0, 0, own),
        Measurement("MiniBatchKMeans on tiles", 10, 1.0, 50.0, 0, own | {"inertia": 10.0}),
        Measurement("streaming-kmeans on tiles", 10, 2.0, 2000.0, 0, own | {"differing": ["a"]}),
        Measurement("KMeans on tiles", 10, 1.0, 50.0, 0, own | {"inertia": 8.0}),
        Measurement("birch on tiles", 10, 1.0, 50.0, 0, own),
    ]
    judged = streams.musts([make_row("methods", one, CONTEXT) for one in measured])
    assert [must.met for must in judged] == [True, True, False, True, False, False, False, True]


def test_palettes_are_judged_apart_by_the_photos_that_had_a_part_in_them():
    def row(case, seconds, psnr):
        facts = {"psnr": psnr, "median_cut": 28.0, "k_means": 30.0}
        return make_row("methods", Measurement(case, 1, seconds, 1.0, None, facts), CONTEXT)

    rows = [row("palette, chosen: a", 1.0, 29.95), row("palette, judged: b", 1.5, 29.95)]
    assert [must.met for must in palettes.musts(rows)] == [True] * 6
    rows.append(row("palette, judged: c", 3.0, 28.5))
    assert [must.met for must in palettes.musts(rows)] == [True] * 3 + [False] * 3


def test_full_k_means_keeps_a_few_colours_exactly():
    pixels = np.random.default_rng(0).integers(0, 255, (25, 1, 3), np.uint8).repeat(4, axis=1)
    with np.errstate(divide="ignore"):
        assert palettes.full_k_means(pixels) == np.inf
        assert palettes.psnr(pixels, pixels) == np.inf


def test_methods_are_compared_on_sets_of_every_kind(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (60, 8, 8), np.uint8)
    np.savez(tmp_path / "mnist.npz", images=images, labels=np.arange(60) % 10)
    sets = methods.data_sets(tmp_path / "mnist.npz")
    assert {"digits", "MNIST", "moons", "circles", "blobs", "drawings", "null"} <= set(sets)
    assert sets["MNIST"][0].shape == (60, 50)
    for rows, truth, k in sets.values():
        assert rows.dtype == np.float32
        assert len(rows) == len(truth) > k
