import re

import pytest

from shoal.core.known_encoders import KNOWN_ENCODERS
from shoal.features.onnx_file import OPTIONS
from shoal.settings import FEATURES, NETWORKS

PERMISSIVE = {"Apache-2.0", "MIT"}


@pytest.mark.parametrize("encoder", KNOWN_ENCODERS.values(), ids=lambda one: one.name)
def test_every_entry_is_complete(encoder):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", encoder.name)
    assert re.fullmatch(r"[0-9a-f]{64}", encoder.sha256)
    assert re.fullmatch(r"[0-9a-f]{40}", encoder.revision)
    assert encoder.licence in PERMISSIVE
    assert encoder.size > 1e6
    assert set(encoder.options) <= set(OPTIONS)
    assert encoder.url.startswith("https://huggingface.co/")


def test_no_two_are_alike():
    assert len({one.sha256 for one in KNOWN_ENCODERS.values()}) == len(KNOWN_ENCODERS)
    assert KNOWN_ENCODERS.keys().isdisjoint({*FEATURES, *NETWORKS})
