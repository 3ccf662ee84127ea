import pytest

from shoal.core.chain import join_chain, split_chain
from shoal.errors import SettingError
from shoal.settings import fit_settings


@pytest.mark.parametrize(
    ("text", "base", "steps"),
    [
        ("pixels", "pixels", []),
        ("pixels+standard+svd:100", "pixels", ["standard", "svd:100"]),
        ("pca", "auto", ["pca"]),
        ("timm:a+b+l2", "timm:a+b", ["l2"]),
        ("onnx:c++.onnx", "onnx:c++.onnx", []),
        ("photo + whiten : 8", "photo", ["whiten:8"]),
    ],
)
def test_steps_are_split_from_features(text, base, steps):
    found, chain = split_chain(text)
    assert (found, [str(step) for step in chain]) == (base, steps)
    assert split_chain(join_chain(found, chain)) == (found, chain)


@pytest.mark.parametrize("wrong", ["svd:0", "pca:-3", "nmf:ten", "random:", "l2:4", "svd:1e3"])
def test_numbers_that_a_step_does_not_take(wrong):
    with pytest.raises(SettingError, match="features step"):
        split_chain(f"pixels+{wrong}")


def test_the_setting_knows_steps():
    assert fit_settings(features=" pixels +svd").features == "pixels+svd"
    with pytest.raises(SettingError, match=r"give steps out of standard, .*; got 'svdd:9'"):
        fit_settings(features="pixels+svdd:9")
    with pytest.raises(SettingError, match="did you mean pixels"):
        fit_settings(features="pixel+svd:9")
