"""The connections of the parsing page: so many at once, and none that says nothing for long."""

import socket
import sys
import threading

from werkzeug.serving import BaseWSGIServer, ThreadedWSGIServer, WSGIRequestHandler

PLACES = 16  # connections at once; a browser opens six
IDLE_SECONDS = 60.0  # without a byte; then a connection is closed


def make_page_server(
    app, listener: socket.socket, places: int = PLACES, idle_seconds: float = IDLE_SECONDS
) -> BaseWSGIServer:
    """A server of a WSGI application on a listening socket; a thread each connection.

    Connections beyond `places` are closed unanswered: each may hold an upload in memory.
    """

    class Handler(_Handler):
        timeout = idle_seconds

    host, port = listener.getsockname()[:2]
    return _Server(places, host, port, app, Handler, fd=listener.fileno())


class _Server(ThreadedWSGIServer):
    def __init__(self, places: int, *arguments, **named) -> None:
        self._places = threading.BoundedSemaphore(places)
        super().__init__(*arguments, **named)

    def process_request(self, request, client_address) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request, client_address) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request, client_address) -> None:
        """What is no HTTP ends its connection; one line tells it, no traceback."""
        error = sys.exception()
        print(f"a request was dropped ({type(error).__name__})", file=sys.stderr)


class _Handler(WSGIRequestHandler):
    def log_error(self, format, *args) -> None:
        """Say nothing of connections that are closed because nothing came."""
        if not any(isinstance(value, TimeoutError) for value in args):
            super().log_error(format, *args)
