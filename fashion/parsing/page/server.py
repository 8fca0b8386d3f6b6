"""The server of the parsing page: listens on this machine alone, until Ctrl-C.

Requests under another host name are refused, so that no site can reach the page through a name that
points here, and so are those that another page sends; see `fashion.parsing.page.app`.
"""

import contextlib
import importlib.util
import os
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

from werkzeug.serving import BaseWSGIServer, ThreadedWSGIServer, WSGIRequestHandler

from fashion.parsing.page.workshop import HOST, Workshop
from mrcnn.errors import UserError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def require_flask() -> None:
    """Raise `UserError` where flask is not installed."""
    if importlib.util.find_spec("flask") is None:
        raise UserError(
            "the page needs flask, which is not installed",
            advice='type: pip install "flask>=3", or install this project with its extra [serve]',
        )


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1; port 0 takes any free one.

    Raises:
        UserError: the port is taken, or may not be used.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # elsewhere it would let two programs share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(16)
    except OSError as error:
        listener.close()
        raise UserError(
            f"port {port} cannot be used ({error.strerror or error})",
            settings=("port",),
            advice="choose another with {port}",
        ) from error
    return listener


def run_server(workshop: Workshop, listener: socket.socket) -> int:
    """Serve the page on a socket of `listen` until Ctrl-C; 0, the exit code."""
    import logging

    from fashion.parsing.page.app import make_app

    port = listener.getsockname()[1]
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_page_server(make_app(workshop, port), listener)
    # Ctrl-C ends serve_forever without an exception; here it may come a moment before.
    with contextlib.suppress(KeyboardInterrupt):
        print(f"Open http://{HOST}:{port}/ in a browser; Ctrl-C ends it.", flush=True)
        server.serve_forever()
    server.server_close()
    print("ended")
    return 0


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
