import inspect
import typing

import pytest

import shoal
from shoal.duplicates import find_duplicates
from shoal.edits import Curation
from shoal.errors import SettingError
from shoal.keywords import ClusterKeywords, FitKeywords, SourceKeywords
from shoal.plots import Plots
from shoal.quality import quality_tables
from shoal.rows.options import READING, cluster_settings
from shoal.settings import SETTINGS, fit_settings

WITH_SETTINGS = [
    (shoal.fit, set(SETTINGS)),
    (shoal.plan, set(SETTINGS)),
    (shoal.Run.fit_cluster, {*SETTINGS} - {*READING, "sample", "previous", "added", "constraints"}),
    (find_duplicates, {"as_", "key", "shape", "dtype", "memory", "workers"}),
    (quality_tables, {"as_", "key", "shape", "dtype", "workers"}),
]


@pytest.mark.parametrize(("function", "names"), WITH_SETTINGS)
def test_every_setting_is_a_keyword_with_its_help(function, names):
    parameters = inspect.signature(function).parameters
    assert set(parameters) & set(SETTINGS) == names
    assert not any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    text = inspect.getdoc(function)
    assert "**" not in text
    documented = "".join(text.split())
    for name in names - {"images", "memory", "workers"}:
        assert f"\n{name} : " in text
        assert "".join(SETTINGS[name].help.split()) in documented


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "images"])
def test_defaults_and_choices_are_those_of_the_table(name):
    default = inspect.signature(shoal.fit).parameters[name].default
    assert getattr(fit_settings(**{name: default}), name) == getattr(fit_settings(), name)
    hint = typing.get_type_hints(FitKeywords)[name]
    choices = tuple(
        choice
        for one in typing.get_args(hint)
        if typing.get_origin(one) is typing.Literal
        for choice in typing.get_args(one)
    )
    assert choices == SETTINGS[name].choices


def test_what_is_no_setting_is_still_refused():
    with pytest.raises(SettingError, match="did you mean seed"):
        shoal.fit([[1.0], [2.0]], sed=1)


@pytest.mark.parametrize(
    ("function", "given", "message"),
    [
        (shoal.make_palette, {"out": "x.png"}, "make_palette has no argument out: there are"),
        (find_duplicates, {"treshold": 1}, "find_duplicates .*: did you mean threshold"),
        (quality_tables, {"out": 1}, "quality_tables has no argument out: there are"),
        (Curation.undo, {"times": 2}, "undo has no argument times: there are n, author"),
        (Plots.sizes, {"clusters": 3}, "sizes has no argument clusters: there are ax, layer, k"),
    ],
)
def test_an_unknown_keyword_is_refused_by_the_function_that_was_called(function, given, message):
    with pytest.raises(SettingError, match=message):
        function([[1.0], [2.0]], **given)


def test_each_keyword_of_a_cluster_s_fit_is_taken():
    assert not set(SourceKeywords.__annotations__) & set(ClusterKeywords.__annotations__)
    for name in ClusterKeywords.__annotations__:
        cluster_settings("run", {}, {name: SETTINGS[name].default})


def test_edits_name_their_keywords():
    taking = [m for m in vars(Curation).values() if inspect.isfunction(m) and m.__name__ != "do"]
    taking = [m for m in taking if "token" in inspect.signature(m).parameters]
    assert len(taking) == 15
    for method in taking:
        parameters = inspect.signature(method).parameters.values()
        assert not any(p.kind is p.VAR_KEYWORD for p in parameters)
        if not method.__name__.startswith("_"):
            assert "\nseen : int, optional\n" in inspect.getdoc(method)
