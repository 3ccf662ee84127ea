import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

import shoal
from shoal.core.representatives import seed_codebook
from shoal.core.summaries import summarise
from shoal.features import Moments

pytest.importorskip("apache_beam", reason="Apache Beam is not installed: pip install 'shoal[beam]'")

import apache_beam as beam
from apache_beam.testing.util import assert_that, equal_to

from shoal.beam import Assign, Encode, MomentsFn, RepresentativesFn, Summarize

ROWS = np.random.default_rng(0).normal(size=(600, 6)).astype(np.float32) + np.repeat(
    np.eye(6, dtype=np.float32)[:3] * 20, 200, 0
)
CODES = seed_codebook(ROWS, 40)
PARTS = st.lists(st.integers(0, 600), min_size=0, max_size=5).map(sorted)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    images = (load_digits().images * 15).astype(np.uint8)
    return shoal.fit(images, tmp_path_factory.mktemp("beam") / "digits.shoal")


def test_assign_is_predict(run):
    images = (load_digits().images[:40] * 15).astype(np.uint8)
    expected = run.predict(images)
    wanted = [(i, int(c)) for i, c in enumerate(expected.cluster)]
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        rows = pipeline | beam.Create(list(enumerate(images)))
        found = rows | Assign(run.path) | beam.MapTuple(lambda key, one: (key, one["cluster"]))
        assert_that(found, equal_to(wanted))


def test_encode_gives_the_vectors_of_the_fit(run):
    images = (load_digits().images[:25] * 15).astype(np.uint8)
    stored = np.load(run.path / "project" / "vectors" / "part-00000.npy")[:25]

    def check(found):
        assert np.allclose(
            [vector for _, vector in sorted(found, key=lambda one: one[0])], stored, atol=1e-4
        )

    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        rows = pipeline | beam.Create(list(enumerate(images)))
        assert_that(rows | Encode(run.path), check)


def test_summarize_counts_every_row_once():
    def check(found):
        (summary,) = found
        assert summary.weight.sum() == len(ROWS)
        mean = (summary.weight[:, None] * summary.mean).sum(axis=0) / len(ROWS)
        assert np.allclose(mean, ROWS.mean(axis=0), atol=1e-4)

    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        assert_that(pipeline | beam.Create(list(ROWS)) | Summarize(CODES), check)


def parts_of(fn, cuts):
    """Accumulators of the pieces of the rows."""
    pieces = np.split(ROWS, cuts)
    return [fn.add_input(fn.create_accumulator(), piece) for piece in pieces if len(piece)]


def assert_close(one, other):
    assert one.count == other.count
    scale = np.abs(other.scatter).max()
    assert np.allclose(one.mean, other.mean, rtol=1e-12, atol=1e-12)
    assert np.allclose(one.scatter, other.scatter, rtol=0, atol=1e-12 * scale)


@given(PARTS, st.randoms())
def test_moments_are_the_same_in_any_order_and_grouping(cuts, random):
    fn = MomentsFn()
    parts = parts_of(fn, cuts)
    random.shuffle(parts)
    half = len(parts) // 2
    grouped = [fn.merge_accumulators(parts[:half]), fn.merge_accumulators(parts[half:])]
    for made in (parts, grouped, [fn.create_accumulator(), *parts]):
        assert_close(fn.extract_output(fn.merge_accumulators(made)), Moments.of(ROWS))


def test_moments_of_nothing():
    fn = MomentsFn()
    assert fn.extract_output(fn.merge_accumulators([fn.create_accumulator()] * 2)) is None


@given(PARTS, st.randoms())
def test_representatives_are_the_same_in_any_order_and_grouping(cuts, random):
    fn, whole = RepresentativesFn(CODES), summarise(ROWS, CODES)
    parts = parts_of(fn, cuts)
    random.shuffle(parts)
    half = len(parts) // 2
    grouped = [fn.merge_accumulators(some) for some in (parts[:half], parts[half:]) if some]
    for made in (parts, grouped, [fn.create_accumulator(), *parts]):
        merged = fn.merge_accumulators(made)
        assert np.array_equal(merged.weight, whole.weight)
        assert np.allclose(merged.total, whole.total, rtol=0, atol=1e-9 * np.abs(ROWS).sum())
        assert merged.far == whole.far
        assert fn.extract_output(merged).weight.sum() == len(ROWS)


def test_no_rows_change_nothing():
    fn = RepresentativesFn(CODES)
    none, some = fn.create_accumulator(), summarise(ROWS, CODES)
    for order in itertools.permutations([none, some]):
        merged = fn.merge_accumulators(order)
        assert np.array_equal(merged.total, some.total)
        assert np.array_equal(merged.weight, some.weight)
