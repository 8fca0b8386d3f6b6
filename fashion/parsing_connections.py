"""The connections of the parsing page: limited in number, and closed when idle for long."""

import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

from werkzeug.serving import BaseWSGIServer, ThreadedWSGIServer, WSGIRequestHandler

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

PLACES = 16  # connections at once; a browser opens six
IDLE_SECONDS = 60.0  # without a byte, until a connection is closed


def make_page_server(
    app: "WSGIApplication",
    listener: socket.socket,
    places: int = PLACES,
    idle_seconds: float = IDLE_SECONDS,
) -> BaseWSGIServer:
    """A server of a WSGI application on a listening socket; one thread for each connection.

    Args:
        app: the application.
        listener: bound and listening.
        places: further connections are closed unanswered, since each may hold an upload in memory.
        idle_seconds: without a byte, until a connection is closed.
    """

    class Handler(_Handler):
        timeout = idle_seconds

    host, port = listener.getsockname()[:2]
    return _Server(places, host, port, app, Handler, fd=listener.fileno())


class _Server(ThreadedWSGIServer):
    def __init__(self, places: int, *arguments: Any, **named: Any) -> None:
        self._places = threading.BoundedSemaphore(places)
        super().__init__(*arguments, **named)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A request that is not HTTP ends its connection, with one line in place of a traceback."""
        error = sys.exception()
        print(f"a request was dropped ({type(error).__name__})", file=sys.stderr)


class _Handler(WSGIRequestHandler):
    def log_error(self, format: str, *args: Any) -> None:
        """Do not log connections that were closed because they were idle."""
        if not any(isinstance(value, TimeoutError) for value in args):
            super().log_error(format, *args)
