"""A web server on this machine: with ranges or without, and with faults on demand."""

import re
import threading
from contextlib import contextmanager, suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer


class Handler(SimpleHTTPRequestHandler):
    """Gives files whole, as Python's own server does."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *said):
        """Say nothing."""

    def handle(self):
        """Clients may go away at any time."""
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self):
        """Count what is asked for, and do what the server was told to."""
        asked = self.server.asked
        asked.append((self.path, self.headers.get("Range")))
        fault = self.server.fault(self.path) if self.server.fault else None
        if fault == "drop":
            self.close_connection = True
            self.connection.close()
        elif isinstance(fault, int):
            self.send_error(fault)
        else:
            self.get(cut=fault == "cut")

    def get(self, cut):
        """Give a file."""
        super().do_GET()


class Ranged(Handler):
    """Gives ranges of files."""

    def get(self, cut):
        """Give a range."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not asked:
            super().get(cut)
            return
        try:
            with open(self.translate_path(self.path), "rb") as file:
                start, stop = int(asked[1]), int(asked[2]) + 1
                file.seek(start)
                data = file.read(stop - start)
                size = file.seek(0, 2)
        except OSError:
            self.send_error(404)
            return
        self.send_response(206 if data else 416)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Range", f"bytes {start}-{start + len(data) - 1}/{size}")
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self.close_connection = True


class Unlisted(Ranged):
    """Shows no lists of folders."""

    def list_directory(self, path):
        """Show a page instead."""
        data = b"<html><body>Welcome</body></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    """Serves a folder; `fault` gives, for a path, what goes wrong, and `asked` is what came."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, folder, kind=Ranged, port=0):
        super().__init__(("127.0.0.1", port), lambda *given: kind(*given, directory=str(folder)))
        self.asked, self.fault = [], None
        self.url = f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving(folder, kind=Ranged, port=0):
    """Serve a folder while the block lasts."""
    with Server(folder, kind, port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
