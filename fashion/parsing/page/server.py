"""The server of the parsing page: listens on this machine only, until Ctrl-C."""

import socket

from fashion.html.server import listen, make_page_server, require_flask, serve_page
from fashion.parsing.page.workshop import Workshop

__all__ = ["listen", "make_page_server", "require_flask", "run_server"]


def run_server(workshop: Workshop, listener: socket.socket) -> int:
    """Serve the page on a socket of `listen` until Ctrl-C; return 0, the exit code."""
    from fashion.parsing.page.app import make_app

    return serve_page(make_app(workshop, listener.getsockname()[1]), listener)
