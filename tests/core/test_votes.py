import numpy as np
import pytest

from shoal.core.votes import vote

DRAW = np.random.default_rng(0)


@pytest.mark.parametrize("voters", [1, 3, 10])
@pytest.mark.parametrize("given", [False, True])
def test_votes_are_those_counted_row_by_row(voters, given):
    labels = DRAW.integers(0, 4, (200, voters)).astype(np.int32)
    shares = DRAW.random((200, voters)).astype(np.float32)
    distance = np.sort(DRAW.random((200, voters)).astype(np.float32), axis=1)
    distance[:5, 0] = 0
    chosen = DRAW.integers(-1, 5, 200).astype(np.int32) if given else None
    cluster, confidence = vote(labels, shares, distance, chosen)
    for row in range(200):
        away = distance[row].astype(np.float64)
        weight = 1 / np.maximum(away, max(away[0] * 1e-3, 1e-37)) ** 2
        weight /= weight.max()
        of_each = {c: weight[labels[row] == c].sum() for c in labels[row]}
        best = max(of_each, key=lambda c: of_each[c])
        if chosen is not None and chosen[row] >= 0:
            best = chosen[row]
        mine = labels[row] == best
        assert cluster[row] == best
        assert confidence[row] == pytest.approx((weight * shares[row])[mine].sum() / weight.sum())
