"""HTTP and HTTPS only: an opener that may refuse redirects, and a deadline for whole responses."""

import queue
import threading
import urllib.request
from collections.abc import Callable
from typing import Any


def within(seconds: float, work: Callable[[], Any]) -> Any:
    """The result of `work`, or its error; a TimeoutError if it takes longer than `seconds`.

    A socket's timeout restarts with every byte, and name lookup has none at all. Work that is late
    continues in a thread that ends with the process.
    """
    results: queue.SimpleQueue = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put((work(), None))
        except BaseException as error:  # raised again below, in the waiting thread
            results.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = results.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer after {seconds:g} seconds") from None
    if error:
        raise error
    return result


class ClosingRedirects(urllib.request.HTTPRedirectHandler):
    """Closes a response whose redirect is not followed; urllib leaves that to chance."""

    def http_error_302(self, req, fp, code, msg, headers):
        """Follow, or raise what a subclass's `redirect_request` raises."""
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except BaseException:
            fp.close()
            raise

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def http_opener(
    redirects: ClosingRedirects, proxies: dict[str, str] | None = None
) -> urllib.request.OpenerDirector:
    """An opener for http and https alone: no files, no FTP, no `data:` URLs.

    Args:
        redirects: decides which redirects are followed.
        proxies: URL by scheme, {} for none; None: those of the environment.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(proxies),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
        redirects,
    ):
        opener.add_handler(handler)
    return opener
