import pytest

from shoal.explore.params import Params
from shoal.explore.routes import FIELDS, PARAMETERS, READS, WRITES, openapi
from shoal.explore.serve import make_app

VALUES = {
    "k": "3", "row": "5", "rows": "5", "x": "0", "y": "0", "z": "0", "clusters": "0",
    "cluster": "0", "as": "sheet", "before": "3", "after": "2", "x0": "0", "y0": "0",
    "x1": "1", "y1": "1",
}  # fmt: skip


_OTHER = ("columns", "copies")  # of tables; begins a process


class Recorded(dict):
    """A query that notes what it is asked for."""

    def __init__(self, *args):
        super().__init__(*args)
        self.names = set()

    def get(self, name, default=None):
        self.names.add(name)
        return super().get(name, default)


def test_every_route_is_documented_and_every_documented_one_exists(digits):
    documented = {
        (path, method.upper()) for path, about in openapi()["paths"].items() for method in about
    }
    routes = {
        (route.path, method)
        for route in make_app(digits).routes
        for method in route.methods - {"HEAD"}
        if route.path.startswith("/api/")
    }
    assert documented == routes
    assert len(routes) > 30


@pytest.mark.parametrize("name", [name for name in READS if name not in _OTHER])
def test_the_parameters_are_those_that_an_answer_reads(name, digits, vectors):
    explorer = vectors if name == "values" else digits
    query = Recorded(VALUES)
    READS[name].answer(explorer, Params(query))
    documented = set(READS[name].query.split())
    assert query.names <= documented
    assert documented - query.names <= {"k"}  # which some read only where there is a set


def test_nothing_is_described_that_no_request_takes():
    used = {name for call in (*READS.values(), *WRITES.values()) for name in call.query.split()}
    assert used == set(PARAMETERS)
    assert {name for call in WRITES.values() for name in call.body.split()} == set(FIELDS)


def test_the_page_serves_its_description(digits, ask):
    found = ask(digits).get("/api/openapi.json")
    assert found.status_code == 200
    assert found.json() == openapi()
    assert found.json()["paths"]["/api/rows"]["get"]["parameters"][0]["name"] == "k"
