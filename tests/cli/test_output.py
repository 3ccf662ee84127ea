import json

from shoal.cli.output import print_json, print_table, say


def test_what_utf8_cannot_hold_is_printed_all_the_same(capfd):
    say("ph\udcff")
    print_json({"path": "ph\udcff", "rows": 3})
    print_table("", ["name"], [["ph\ud83d"]])
    out = capfd.readouterr().out
    assert out.startswith("ph\ufffd\n")
    assert json.loads(out[out.index("{") : out.index("}") + 1]) == {"path": "ph\ufffd", "rows": 3}
