import re
import socket

import pytest

from shoal.errors import InputError, SettingError
from shoal.explore.serve import Address, listen

TOKEN = "open-sesame"


def trouble(answer):
    assert set(answer.json()) == {"error"}
    assert answer.json()["error"]["message"]
    return answer.status_code, answer.json()["error"]["kind"]


def test_the_page_itself_is_let_through(digits, ask):
    client = ask(digits)
    own = {"origin": "http://127.0.0.1:7430", "sec-fetch-site": "same-origin"}
    assert client.get("/api/run", headers=own).status_code == 200
    assert client.post("/api/sets", json={"rows": [1]}, headers=own).status_code == 200
    assert client.get("/", headers={"sec-fetch-site": "cross-site"}).status_code == 200


def test_a_name_that_leads_here_is_refused(digits, ask):
    for host in ("evil.example:7430", "127.0.0.1:7431", "127.0.0.1.evil.example:7430"):
        assert trouble(ask(digits, host=host).get("/api/run")) == (421, "host")
    assert ask(digits, host="localhost:7430").get("/api/run").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:7431"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_another_site_is_refused(digits, ask, headers):
    client = ask(digits)
    assert trouble(client.get("/api/run", headers=headers)) == (403, "origin")
    assert trouble(client.post("/api/edits", json={}, headers=headers)) == (403, "origin")


def test_a_form_of_another_site_cannot_edit(digits, ask):
    client = ask(digits)
    del client.headers["x-shoal"]
    assert trouble(client.post("/api/edits", json={"op": "undo"})) == (403, "origin")


def test_every_answer_carries_a_strict_policy(digits, ask):
    client = ask(digits)
    for path in ("/", "/static/main.js", "/api/run", "/nothing", "/api/thumbs?rows=1"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"]


def test_a_token_is_asked_for_and_kept(digits, ask):
    client = ask(digits, token=TOKEN, host="far.example:7430")
    assert trouble(client.get("/api/run")) == (401, "token")
    assert client.get("/").status_code == 401
    assert client.get("/?token=wrong").status_code == 401
    assert client.get("/?token=").status_code == 401
    answer = client.get(f"/?token={TOKEN}&x=1", follow_redirects=False)
    assert answer.headers["location"] == "/?x=1"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    client.cookies.set("shoal-token-7430", TOKEN)
    assert client.get("/api/run").status_code == 200
    client.cookies.clear()
    client.cookies.set("shoal-token-7430", TOKEN + "x")
    assert trouble(client.get("/api/run")) == (401, "token")


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ("//evil.example/x", "/evil.example/x"),
        ("///evil.example", "/evil.example"),
        ("/%2Fevil.example", "/evil.example"),
        ("/%5Cevil.example", "/evil.example"),
        ("/\\/evil.example", "/evil.example"),
        ("/x%0d%0aset-cookie:a=b", "/x%0D%0Aset-cookie:a=b"),
    ],
)
def test_the_token_never_leads_to_another_site(digits, ask, asked, there):
    client = ask(digits, token=TOKEN)
    answer = client.get(f"http://127.0.0.1:7430{asked}?token={TOKEN}", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == there


@pytest.mark.parametrize("token", ["schlüssel €10", "a+b&c=d#e%41", 'quote";path=/', "ключ-ключ"])
def test_any_token_opens_by_the_address_that_is_printed(digits, ask, token):
    client = ask(digits, token=token)
    address = Address(None, "127.0.0.1", 7430, token)
    assert client.get(address.url.replace("localhost", "127.0.0.1")).status_code == 200
    assert client.get("/api/run").status_code == 200  # by the cookie
    client.cookies.clear()
    assert trouble(client.get("/api/run")) == (401, "token")


def test_a_token_of_bytes_that_are_no_text_is_refused():
    with pytest.raises(SettingError, match="UTF-8"):
        listen(None, None, "eight-bytes-\udcff")


def test_others_are_let_in_only_with_a_token():
    with pytest.raises(SettingError, match=r"--host 0\.0\.0\.0 lets others in: give a --token"):
        listen("0.0.0.0", None, None)
    with pytest.raises(SettingError, match="at least 8"):
        listen("0.0.0.0", None, "short")
    address = listen("0.0.0.0", None, TOKEN)
    address.listening.close()
    assert re.fullmatch(rf"http://localhost:\d+/\?token={TOKEN}", address.url)


def test_a_taken_port_is_named():
    address = listen(None, None, None)
    assert address.listening.proto == socket.IPPROTO_TCP  # what asyncio looks at for TCP_NODELAY
    assert address.listening.getsockname()[0] == "127.0.0.1"
    with pytest.raises(InputError, match=f"127.0.0.1:{address.port} cannot be used"):
        listen(None, address.port, None)
    address.listening.close()
