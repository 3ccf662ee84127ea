import json

import pytest

from shoal.explore.responses import JsonAnswer, refusal


def body(answer):
    return json.loads(answer.body)


@pytest.mark.parametrize(
    ("content", "written"),
    [
        ({"name": "half \ud83d"}, {"name": "half ?"}),
        ({"\udcff": ["x\udcff.jpg"]}, {"?": ["x?.jpg"]}),
        ({"low": float("nan"), "at": [(float("inf"), 2)]}, {"low": None, "at": [[None, 2]]}),
        ({"whole": "😀", "n": 3}, {"whole": "😀", "n": 3}),
    ],
)  # fmt: skip
def test_whatever_is_said_can_be_written(content, written):
    assert body(JsonAnswer(content)) == written


def test_a_refusal_is_bounded():
    found = refusal(400, "input", "\ud800" * 100_000, cluster=3)
    assert found.status_code == 400
    error = body(found)["error"]
    assert error["kind"] == "input"
    assert error["cluster"] == 3
    assert len(error["message"]) < 1100
