import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.core.spec import Spec, parse_spec

WORD = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
VALUE = st.from_regex(r"[^&?]{0,8}", fullmatch=True)
WHAT = st.from_regex(r"[^?]{1,12}", fullmatch=True)


@given(WORD, WHAT, st.dictionaries(st.from_regex("[a-z]{1,5}", fullmatch=True), VALUE))
def test_what_is_written_is_read_again(kind, what, options):
    spec = Spec(kind, what, options)
    assert parse_spec(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "what", "options"),
    [
        ("onnx:a.onnx", "a.onnx", {}),
        ("onnx:a?b.onnx", "a?b.onnx", {}),
        ("onnx:a?b.onnx?size=9", "a?b.onnx", {"size": "9"}),
        ("onnx:C:/a.onnx?size=9&mean=", "C:/a.onnx", {"size": "9", "mean": ""}),
        ("onnx:a.onnx?size", "a.onnx?size", {}),
        ("onnx:a=b.onnx", "a=b.onnx", {}),
        ("timm:hf_hub:timm/resnet18", "hf_hub:timm/resnet18", {}),
        ("onnx:", "", {}),
    ],
)
def test_names_may_hold_marks(text, what, options):
    assert parse_spec(text) == Spec(text.partition(":")[0], what, options)


def test_a_word_is_a_word():
    assert parse_spec("photo?size=3") == Spec("photo?size=3")
