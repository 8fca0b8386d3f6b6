"""A real HTTP server on this machine that serves files well or, on request, badly."""

import contextlib
import dataclasses
import http.server
import re
import threading
from collections.abc import Iterator


@dataclasses.dataclass
class Route:
    """How one address answers.

    Attributes:
        body: the whole file.
        ranges: whether range requests are understood.
        shift: what a range answer's start is wrong by.
        cuts: for each request in turn after how many bytes the connection ends (None: never).
        statuses: for each request in turn an error status to answer with (200: none).
        location: redirect to here.
        endless: repeat the body for ever, without a length.
        announce: whether the length is sent.
        chunked: send it in HTTP/1.1 chunks.
        etag: sent, and compared with If-Range.
        gate: half of the body is sent, then this is waited for.
    """

    body: bytes = b""
    ranges: bool = True
    shift: int = 0
    cuts: list[int | None] = dataclasses.field(default_factory=list)
    statuses: list[int] = dataclasses.field(default_factory=list)
    location: str | None = None
    endless: bool = False
    announce: bool = True
    chunked: bool = False
    etag: str | None = None
    gate: threading.Event | None = None


class Server(http.server.ThreadingHTTPServer):
    """Answers by `routes`; `seen` lists (path, Range header or None) of the requests."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.routes: dict[str, Route] = {}
        self.seen: list[tuple[str, str | None]] = []

    def add(self, path: str, route: Route) -> str:
        """Adds a route and returns its URL."""
        self.routes[path] = route
        return f"http://127.0.0.1:{self.server_port}{path}"


@contextlib.contextmanager
def running_server() -> Iterator[Server]:
    """A server in a thread of its own."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.close_connection = True
        self.server.seen.append((self.path, self.headers.get("Range")))
        route = self.server.routes.get(self.path)
        status = route.statuses.pop(0) if route and route.statuses else 200
        if route is None or status != 200:
            self.send_error(404 if route is None else status)
        elif route.location:
            self.send_response(302)
            self.send_header("Location", route.location)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            with contextlib.suppress(ConnectionError):
                self.answer(route)

    def answer(self, route):
        start = self.range_start(route)
        if start is not None and start >= len(route.body):
            self.send_error(416)
            return
        self.send_response(200 if start is None else 206)
        if start is not None:
            start += route.shift
            end = len(route.body)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{end}")
        body = route.body[start or 0 :]
        if route.etag:
            self.send_header("ETag", route.etag)
        if route.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif route.announce and not route.endless:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        cut = route.cuts.pop(0) if route.cuts else None
        self.send_body(route, body[:cut], complete=cut is None)

    def range_start(self, route):
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if not (match and route.ranges) or (condition and condition != route.etag):
            return None
        return int(match[1])

    def send_body(self, route, body, complete):
        while route.endless:
            self.wfile.write(body)
        if route.chunked:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body))
            self.wfile.write(b"0\r\n\r\n" if complete else b"")
            return
        half = len(body) // 2 if route.gate else 0
        self.wfile.write(body[:half])
        if route.gate:
            route.gate.wait(30)
        self.wfile.write(body[half:])
