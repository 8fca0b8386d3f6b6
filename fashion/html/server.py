"""A local web page: a server that listens on this machine only, and what all its answers share.

Requests under another host name are refused, so that no site can reach the page through a name that
points here, and so are those that another page sends.
"""

import contextlib
import importlib.util
import logging
import os
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

from werkzeug.serving import BaseWSGIServer, ThreadedWSGIServer, WSGIRequestHandler

from mrcnn.errors import UserError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from flask import Flask

HOST = "127.0.0.1"
# What a page may load, besides its own scripts and styles.
POLICY = (
    "default-src 'none'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


def guard(
    app: "Flask", port: int, *, largest: int, script: str = "'self'", style: str = "'self'"
) -> None:
    """Refuse requests from elsewhere, and answer errors with JSON: one sentence, `error`.

    Args:
        app: the application.
        port: where it will listen; requests must name it.
        largest: bytes of a request's body.
        script, style: sources of the Content-Security-Policy.
    """
    from flask import Response, abort, request
    from werkzeug.exceptions import HTTPException

    hosts = {f"{name}:{port}" for name in (HOST, "localhost")}
    app.config["MAX_CONTENT_LENGTH"] = largest

    @app.before_request
    def refuse_strangers():
        # A name that another site points to this machine arrives as Host; a page of another site
        # that posts here sends its Origin.
        if request.headers.get("Host", "") not in hosts:
            abort(421, "This page answers on this machine's own address only.")
        origin = request.headers.get("Origin")
        if origin is not None and origin not in {f"http://{host}" for host in hosts}:
            abort(403, "This page takes nothing from other pages.")

    @app.after_request
    def add_headers(response: Response) -> Response:
        response.headers.update(
            {
                "Content-Security-Policy": f"{POLICY}; script-src {script}; style-src {style}",
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Cache-Control": "no-store",
            }
        )
        return response

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException):
        text = error.description or error.name
        if error.code == 413:
            text = f"The upload is larger than {largest >> 20} MB: make it smaller."
        return {"error": text}, error.code or 500

    @app.errorhandler(UserError)
    def user_error(error: UserError):
        return {"error": str(error)}, 400


def require_flask() -> None:
    """Raise `UserError` if flask is not installed."""
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


def serve_page(app: "WSGIApplication", listener: socket.socket) -> int:
    """Serve an application on a socket of `listen` until Ctrl-C; return 0, the exit code."""
    port = listener.getsockname()[1]
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_page_server(app, listener)
    # Ctrl-C ends serve_forever without an exception; here it may come a moment before.
    with contextlib.suppress(KeyboardInterrupt):
        print(f"Open http://{HOST}:{port}/ in a browser; Ctrl-C ends it.", flush=True)
        server.serve_forever()
    server.server_close()
    print("ended")
    return 0


PLACES = 16  # simultaneous connections; a browser opens six
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
