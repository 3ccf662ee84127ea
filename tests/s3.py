"""An S3 server on this machine, and a network to it that can be cut."""

import contextlib
import json
import socket
import threading
from contextlib import contextmanager

import fsspec
import pytest
import requests

moto = pytest.importorskip("moto.server", reason="moto is not installed: pip install 'shoal[dev]'")
pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'shoal[dev]'")

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@contextmanager
def s3_server():
    """Serve S3 while the block lasts, with a bucket ``shoal``; give what was patched."""
    server = moto.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        host, port = server.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name in KEYS:
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        forget()
        # servers of one process share what they keep
        requests.post(f"http://{host}:{port}/moto-api/reset", timeout=10)
        fsspec.filesystem("s3", use_listings_cache=False).mkdir("shoal")
        try:
            yield patch
        finally:
            server.stop()
            forget()


def forget():
    """Let go of file systems that know another server or other keys."""
    fsspec.filesystem("s3").clear_instance_cache()


def reader(endpoint):
    """Make keys that may only read."""
    import boto3

    iam = boto3.client("iam", endpoint_url=endpoint)
    iam.create_user(UserName="reader")
    allowed = {"Effect": "Allow", "Action": ["s3:Get*", "s3:List*", "s3:Head*"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName="reader", PolicyName="reads", PolicyDocument=policy)
    found = iam.create_access_key(UserName="reader")["AccessKey"]
    return dict(zip(KEYS, (found["AccessKeyId"], found["SecretAccessKey"]), strict=True))


@contextmanager
def rights_heeded(endpoint):
    """Let the server look at the rights of keys while the block lasts."""
    requests.post(f"{endpoint}/moto-api/reset-auth", data=b"0", timeout=10)
    try:
        yield
    finally:
        requests.post(f"{endpoint}/moto-api/reset-auth", data=b"1000000000", timeout=10)


class Wire:
    """A port that leads to another server."""

    def __init__(self, port):
        self._to, self._left, self._open = port, None, set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.is_cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                one, _ = self._server.accept()
                if self.is_cut:
                    one.close()
                    continue
                other = socket.create_connection(("127.0.0.1", self._to))
                self._open |= {one, other}
                for a, b in ((one, other), (other, one)):
                    threading.Thread(target=self._pass, args=(a, b), daemon=True).start()

    def _pass(self, a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(1 << 16):
                if self._left is not None:
                    self._left -= len(data)
                    if self._left < 0:
                        self.cut()
                        return
                b.sendall(data)
        for end in (a, b):
            end.close()

    def cut(self):
        """Break all that is open, and refuse what comes."""
        self.is_cut = True
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self):
        """Lead on again, for good."""
        self._left, self.is_cut = None, False

    def break_after(self, count):
        """Be cut after so many bytes more, either way; None for never."""
        self._left = count

    def close(self):
        """Stop."""
        self.cut()
        self._server.close()
