"""HTTP and HTTPS only: an opener for them, and redirects that may be refused."""

import urllib.request


class ClosingRedirects(urllib.request.HTTPRedirectHandler):
    """Closes the response whose redirect is not followed; urllib leaves that to chance."""

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
    """An opener for http and https alone: no files, no FTP, no `data:` addresses.

    Args:
        redirects: decides which redirects are followed.
        proxies: address by scheme, {} for none; None: those of the environment.
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
