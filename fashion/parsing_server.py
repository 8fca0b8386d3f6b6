"""The server of the parsing page: listens on this machine alone, until Ctrl-C.

Requests under another host name are refused, so that no site can reach the page through a name that
points here, and so are those that another page sends; see `fashion.parsing_pages`.
"""

import contextlib
import importlib.util
import os
import socket

from fashion.parsing_workshop import HOST, Workshop
from mrcnn.errors import UserError


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

    from fashion.parsing_connections import make_page_server
    from fashion.parsing_pages import make_app

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
