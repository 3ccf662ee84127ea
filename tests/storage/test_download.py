import hashlib
import os
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shoal.errors import InputError, PlaceError, StorageFullError
from shoal.storage import download as module
from shoal.storage.download import copy_file, download

DATA = bytes(range(256)) * 4000
SUM = hashlib.sha256(DATA).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Sends DATA from where it is asked to, cut and changed as the server's `plan` says."""

    def log_message(self, *said):
        """Say nothing."""

    def do_GET(self):
        server, asked = self.server, self.headers.get("Range")
        server.seen.append((self.path, asked))
        todo = server.plan.pop(0) if server.plan else {}
        if "status" in todo:
            self.send_response(todo["status"])
            for name, value in todo.get("headers", {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = todo.get("data", DATA)
        start = int(asked[6:-1]) if asked and not todo.get("whole") else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if not todo.get("unsized"):
            self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        self.wfile.write(data[start : todo.get("cut", len(data))])


@contextmanager
def server(*plan):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        found.plan, found.seen = list(plan), []
        found.url = f"http://127.0.0.1:{found.server_port}/net.onnx"
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield found
        finally:
            found.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def fetch(found, path, waits=(0, 0), advance=None, sha256=SUM):
    download(found.url, path, len(DATA), sha256, advance, waits)


def test_a_file_comes_whole_and_its_bytes_are_counted(tmp_path):
    path, counted = tmp_path / "deep" / "net.onnx", []
    with server() as found:
        fetch(found, path, advance=counted.append)
    assert path.read_bytes() == DATA
    assert sum(counted) == len(DATA)
    assert [p.name for p in path.parent.iterdir()] == ["net.onnx"]


def test_a_file_is_flushed_before_it_has_its_name(tmp_path, monkeypatch):
    found, flushed = tmp_path / "net.onnx", []
    monkeypatch.setattr(
        os, "fsync", lambda file: flushed.append((os.fstat(file).st_size, found.exists()))
    )
    with server() as served:
        fetch(served, found)
    assert flushed == [(len(DATA), False)]


def test_a_broken_connection_goes_on_where_it_was(tmp_path):
    path, counted = tmp_path / "net.onnx", []
    cuts = [{"cut": 300_000}, {"cut": 600_000}, {"status": 503}, {"cut": 900_000}, {"status": 502}]
    with server(*cuts) as found:
        fetch(found, path, advance=counted.append)
        ranges = [asked for _, asked in found.seen]
    expected = [None, "bytes=300000-", "bytes=600000-", "bytes=600000-", "bytes=900000-"]
    assert ranges == [*expected, "bytes=900000-"]
    assert path.read_bytes() == DATA
    assert sum(counted) == len(DATA)


def test_a_later_call_goes_on_too(tmp_path):
    path = tmp_path / "net.onnx"
    with server({"cut": 300_000}, {"status": 503}) as found:
        with pytest.raises(PlaceError, match="300,000 of 1,024,000 bytes"):
            fetch(found, path, waits=())
        with pytest.raises(PlaceError, match=r"HTTP status 503; 300,000 of 1,024,000 bytes"):
            fetch(found, path, waits=())
        assert not path.exists()
        fetch(found, path)
        assert found.seen[-1][1] == "bytes=300000-"
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("answer", [{"whole": True}, {"status": 416}])
def test_a_server_without_that_range_begins_again(tmp_path, answer):
    path, counted = tmp_path / "net.onnx", []
    (tmp_path / "net.onnx.part").write_bytes(b"x" * 1000)
    with server(answer) as found:
        fetch(found, path, advance=counted.append)
    assert path.read_bytes() == DATA
    assert sum(counted) == len(DATA)


def test_what_is_too_long_already_begins_again(tmp_path):
    (tmp_path / "net.onnx.part").write_bytes(DATA + b"x")
    with server() as found:
        fetch(found, tmp_path / "net.onnx")
        assert found.seen[0][1] is None
    assert (tmp_path / "net.onnx").read_bytes() == DATA


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"data": DATA[::-1]}, "has the SHA-256 sum .* instead of"),
        ({"data": DATA + b"x"}, "expected 1,024,000 bytes, found 1,024,001"),
        ({"data": b"<html>", "unsized": False}, "expected 1,024,000 bytes, found 6"),
        ({"data": DATA + b"x" * 9, "unsized": True}, "sent more than 1,024,000 bytes"),
    ],
)
def test_another_file_is_not_kept(tmp_path, answer, said):
    path = tmp_path / "net.onnx"
    with server(answer) as found, pytest.raises(InputError, match=said):
        fetch(found, path)
    assert not path.exists()
    assert all(p.stat().st_size == 0 for p in tmp_path.iterdir())


def test_parts_of_two_versions_are_not_put_together(tmp_path):
    (tmp_path / "net.onnx.part").write_bytes(b"x" * 1000)
    with server() as found:
        with pytest.raises(InputError, match="SHA-256"):
            fetch(found, tmp_path / "net.onnx")
        fetch(found, tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").read_bytes() == DATA


@pytest.mark.parametrize("status", [403, 404])
def test_a_refusal_is_not_tried_again(tmp_path, status):
    with server({"status": status}, {"status": status}) as found:
        with pytest.raises(PlaceError, match=f"HTTP status {status}"):
            fetch(found, tmp_path / "net.onnx")
        assert len(found.seen) == 1


def test_redirects_are_followed_with_the_range(tmp_path):
    with server({"cut": 300_000}) as elsewhere, server() as found:
        found.plan = [{"status": 302, "headers": {"Location": elsewhere.url}} for _ in range(2)]
        fetch(found, tmp_path / "net.onnx")
        assert [asked for _, asked in elsewhere.seen] == [None, "bytes=300000-"]
    assert (tmp_path / "net.onnx").read_bytes() == DATA


def test_a_proxy_of_the_environment_is_asked(tmp_path, monkeypatch):
    with server() as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.server_port}")
        download("http://weights.invalid/net.onnx", tmp_path / "n", len(DATA), SUM, waits=())
        assert proxy.seen == [("http://weights.invalid/net.onnx", None)]


def test_a_server_that_is_not_there(tmp_path):
    with server() as found:
        pass
    with pytest.raises(PlaceError, match=r"could not be downloaded .*0 of 1,024,000 bytes"):
        fetch(found, tmp_path / "net.onnx")


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFullError, match="cannot be written"):
        download("http://127.0.0.1:9/", tmp_path / "file" / "net.onnx", 1, SUM, waits=())


def test_two_at_once_do_not_mix(tmp_path):
    with module._locked(tmp_path / "net.onnx.part"), server() as found:
        with pytest.raises(PlaceError, match="being downloaded by another process"):
            fetch(found, tmp_path / "net.onnx")
        assert not found.seen


def test_a_file_fetched_elsewhere_is_copied_when_it_is_the_one(tmp_path):
    good, path = tmp_path / "download", tmp_path / "cache" / "net.onnx"
    good.write_bytes(DATA)
    copy_file(good, path, len(DATA), SUM)
    assert path.read_bytes() == DATA
    assert os.listdir(path.parent) == ["net.onnx"]
    for data, said in (
        (DATA[1:], "expected 1,024,000 bytes, found 1,023,999"),
        (DATA[::-1], "SHA-256 sum"),
    ):
        good.write_bytes(data)
        with pytest.raises(InputError, match=said):
            copy_file(good, tmp_path / "cache" / "other", len(DATA), SUM)
    with pytest.raises(InputError, match="is not a file"):
        copy_file(tmp_path, path, len(DATA), SUM)
    assert os.listdir(path.parent) == ["net.onnx"]
