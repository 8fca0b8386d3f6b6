"""The page's server: so many connections at once, none for ever, no traceback of what is no HTTP.

The application is a few lines; the sockets and threads are real.
"""

import contextlib
import socket
import threading

import pytest

from fashion.parsing.page.server import listen

pytest.importorskip("werkzeug", reason="needs flask (pip install flask)")
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def hello(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


@contextlib.contextmanager
def serving(app=hello, **options):
    """The port of a server that answers while the block runs."""
    from fashion.parsing.page.server import make_page_server

    with listen(0) as listener:
        server = make_page_server(app, listener, **options)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=1800)


def answer(connection, request=REQUEST):
    """What comes back, up to the application's text or the end."""
    connection.sendall(request)
    data = b""
    while b"hello" not in data and (piece := connection.recv(1000)):
        data += piece
    return data


def test_one_connection_after_another():
    with serving(places=1) as port:
        for _ in range(3):
            wait_for_place(port)


def wait_for_place(port):
    """Until a connection is answered: the server learns a little later that one is closed."""
    for _ in range(1000):
        with contextlib.suppress(ConnectionError), connect(port) as connection:
            if answer(connection).endswith(b"hello"):
                return
    raise AssertionError("no place became free")


def test_more_connections_than_places_are_closed_unanswered():
    with serving(places=2) as port, connect(port) as one, connect(port) as two:
        for connection in (one, two):
            connection.sendall(b"GET / HT")  # they have the two places now
        with connect(port) as three, contextlib.suppress(ConnectionError):
            assert answer(three) == b""
        assert answer(one, REQUEST[8:]).endswith(b"hello")  # and are served as ever
        two.close()
        wait_for_place(port)


@pytest.mark.parametrize("start", [b"", b"GET / HT", b"POST / HTTP/1.1\r\nHost: x\r\n"])
def test_a_client_that_says_no_more_is_left(start, capsys):
    with serving(places=1, idle_seconds=0.2) as port:
        with connect(port) as connection:
            connection.sendall(start)
            assert connection.recv(1000) == b""  # the end; without a limit nothing would come
        wait_for_place(port)
    assert capsys.readouterr().err == ""


def test_a_body_that_stops_ends_the_connection(capfd):
    def reads(environ, start_response):
        environ["wsgi.input"].read(100)
        return hello(environ, start_response)

    with serving(reads, places=1, idle_seconds=0.2) as port, connect(port) as connection:
        request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc"
        assert b"hello" not in answer(connection, request)


@pytest.mark.parametrize(
    "request_line",
    [b"GET http://[ HTTP/1.1", b"\0\0\0", b"\x16\x03\x01\x02", b"GET", b"GET / HTTP/9.9",
     b"GET " + b"x" * 70_000 + b" HTTP/1.1", b"BREW / HTTP/1.1"],
    ids=["address", "zeros", "tls", "short", "version", "long", "method"],
)  # fmt: skip
def test_what_is_no_http_harms_nobody(request_line, capfd):
    with serving() as port:
        with connect(port) as connection, contextlib.suppress(ConnectionError):
            answer(connection, request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
        with connect(port) as connection:
            assert answer(connection).endswith(b"hello")
    assert "Traceback" not in capfd.readouterr().err
