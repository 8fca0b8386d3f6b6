"""Redirects that may be refused."""

import urllib.request


class ClosingRedirects(urllib.request.HTTPRedirectHandler):
    """Closes the answer whose redirect is not followed; urllib leaves that to chance."""

    def http_error_302(self, req, fp, code, msg, headers):
        """Follow, or raise what a subclass's `redirect_request` raises."""
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except BaseException:
            fp.close()
            raise

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302
