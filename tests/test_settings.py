import tomllib
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal import settings
from shoal.errors import SettingError
from shoal.setting_kinds import parse_layers, parse_memory, parse_shape
from shoal.settings import (
    SETTINGS,
    FitSettings,
    available_cores,
    fit_settings,
)
from shoal.storage.toml_text import toml_text


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("4GiB", 4 * 2**30),
        ("4g", 4 * 2**30),
        ("500MB", 500_000_000),
        ("1.5 MiB", 3 * 2**19),
        ("2TB", 2 * 10**12),
        ("100", 100),
        ("100B", 100),
        (" 8 kib ", 8192),
        (12345, 12345),
        (np.int64(5), 5),
    ],
)
def test_memory(text, amount):
    assert parse_memory(text) == amount


@pytest.mark.parametrize(
    "bad", ["", "4 gigs", "GiB", "-1GB", "0", 0, -5, True, 1.5, None, "4iB", "9" * 400]
)
def test_no_memory(bad):
    with pytest.raises(SettingError, match="is not an amount of memory: give a number and a unit"):
        parse_memory(bad)


@given(st.integers(1, 2**50))
def test_memory_in_bytes_is_itself(amount):
    assert parse_memory(amount) == amount


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        ("16,16,3", (16, 16, 3)),
        ("16x16x3", (16, 16, 3)),
        ("(28, 28)", (28, 28)),
        ("64", (64,)),
        ([16, np.int64(16)], (16, 16)),
    ],
)
def test_shape(given, shape):
    assert parse_shape(given) == shape


@pytest.mark.parametrize(
    "bad", ["", "16,", "16,16,3,1", "0,16", "-1", "a,b", "1.5", (), (True,), (1.5,), 16, None]
)
def test_no_shape(bad):
    with pytest.raises(SettingError, match="is not a shape: give height, width and channels"):
        parse_shape(bad)


def test_layers():
    assert parse_layers("5, 20,5") == (5, 20)
    assert parse_layers([10]) == (10,)
    for bad in ("many", "0", "", [], 0, None, 2.5):
        with pytest.raises(SettingError, match="give auto, or numbers of clusters"):
            parse_layers(bad)


def test_k():
    for good in (5, "5", np.int64(5), " 5 "):
        assert fit_settings(k=good).k == 5
    for bad in (0, -1, "five", 2.5, True, "", []):
        with pytest.raises(SettingError, match="k must be a whole number of at least 1; got"):
            fit_settings(k=bad)
    for several in ("5,10", (5, 10)):
        with pytest.raises(SettingError, match=r"give layers 5,10"):
            fit_settings(k=several)
    with pytest.raises(SettingError, match="k 5 and detail 2 both choose"):
        fit_settings(k=5, detail=2)


def test_cores_are_at_most_those_of_the_quota(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "_quota", lambda root: None)
    cores = available_cores()
    assert cores >= 1
    monkeypatch.setattr(settings, "_quota", lambda root: 0.5)
    assert available_cores() == 1
    monkeypatch.setattr(settings, "_quota", lambda root: 10_000.0)
    assert available_cores() == cores


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.max": "garbage"}, None),
        ({}, None),
    ],
)
def test_quota_of_a_control_group(tmp_path, files, quota):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert settings._quota(tmp_path) == quota


def test_defaults_pass_their_own_rules():
    for setting in SETTINGS.values():
        if setting.default is not None:
            assert setting.parse(setting.default) == setting.default


def test_every_setting_has_a_help_and_a_rule():
    for setting in SETTINGS.values():
        assert setting.help.endswith(".")
        assert setting.rule
        assert setting.name.isidentifier()


def test_none_stands_for_the_default():
    nothing = fit_settings(**dict.fromkeys(SETTINGS))
    assert nothing == fit_settings() == FitSettings(workers=available_cores())
    assert (nothing.features, nothing.seed, nothing.memory) == ("auto", 0, 4 * 2**30)


def test_values_are_parsed():
    given = fit_settings(
        memory="2GB",
        shape="8,8,1",
        dtype="<f4",
        layers="5",
        workers=3,
        detail=2,
        sample=200_000,
        previous="a.shoal",
    )
    assert given.memory == 2 * 10**9
    assert given.shape == (8, 8, 1)
    assert given.dtype == "float32"
    assert given.layers == (5,)
    assert given.sample == 200_000
    assert (given.workers, given.detail, given.previous) == (3, 2.0, "a.shoal")
    assert fit_settings(dtype=">u2").dtype == ">u2"
    assert fit_settings(dtype=np.uint8).dtype == "uint8"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"seed": -1}, r"seed must be a whole number from 0 to 4,294,967,295"),
        ({"seed": "a"}, r"seed must be a whole number"),
        ({"seed": True}, r"seed must be a whole number"),
        ({"detail": float("nan")}, r"detail must be a number from 0.1 to 20"),
        ({"detail": 10**400}, r"must be a number from 0.1 to 20"),
        ({"detail": "2"}, r"detail must be a number"),
        ({"workers": 0}, r"workers must be a whole number from 1"),
        ({"memory": "100MB"}, r"memory '100MB': give at least 512MiB"),
        ({"features": "gradient"}, r"one of auto, photo, .* \(did you mean gradients\?\)"),
        ({"features": "onnx:"}, r"one of auto, .* or a network: onnx:FILE"),
        ({"features": 5}, r"unknown features 5: choose one of auto"),
        ({"as_": "movies"}, r"unknown as 'movies': choose images, vectors or table"),
        ({"dtype": "object"}, r"dtype 'object': give a type of numbers such as uint8"),
        ({"dtype": "uint9"}, r"dtype 'uint9': give a type of numbers"),
        ({"key": ""}, r"key must be a text"),
        ({"key": 3}, r"key must be a text"),
        ({"sed": 1}, r"sed is not a setting: did you mean seed\?"),
        ({"qqq": 1}, r"qqq is not a setting: there are features, layers"),
    ],
)
def test_a_bad_value_is_shown_with_the_rule(values, words):
    with pytest.raises(SettingError, match=words):
        fit_settings(**values)


def test_settings_do_not_change():
    with pytest.raises(FrozenInstanceError):
        fit_settings().seed = 1


def test_settings_fit_into_run_toml():
    given = fit_settings(shape="8,8,1")
    back = tomllib.loads(toml_text(given.as_dict()))
    assert fit_settings(**back) == given


def test_a_network_s_file_gets_its_absolute_path(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found = fit_settings(features="onnx:nets/a.onnx?size=224").features
    assert found == f"onnx:{tmp_path}/nets/a.onnx?size=224"
