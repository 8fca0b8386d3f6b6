"""Downloading one file over HTTP(S): verified, resumable, complete or not at all.

The bytes go to `<path>.part`, which a later call continues (RFC 9110, section 14: range requests);
it is renamed to `<path>` only if it has the expected size and checksum. Standard library only.
"""

import contextlib
import dataclasses
import hashlib
import http.client
import ipaddress
import os
import re
import shutil
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import BinaryIO

from mrcnn.errors import DownloadError
from mrcnn.system.http import ClosingRedirects, http_opener, within
from mrcnn.system.locks import lock

CHUNK = 1 << 18
SLOWEST = 256
MAX_BYTES = 2 << 30


def download(
    url: str,
    path: str | os.PathLike,
    *,
    size: int | None = None,
    md5: str | None = None,
    sha256: str | None = None,
    max_bytes: int = MAX_BYTES,
    progress: bool = True,
    attempts: int = 2,
    timeout: float = 30.0,
) -> Path:
    """Download `url` to `path` and return the path; an existing file is replaced at the very end.

    A `<path>.part` left by an earlier call is continued if a checksum can verify the result, and
    restarted if the server does not support ranges.

    Args:
        url: https; http only for this machine itself (127.0.0.1, ::1, localhost).
        path: the file to write; its folder is created.
        size: expected bytes, checked before the checksums.
        md5: expected, hexadecimal.
        sha256: expected, hexadecimal.
        max_bytes: more than this is never written, whatever the server sends.
        progress: show a progress bar on stderr.
        attempts: total number of tries; retries only after a dropped connection, an overloaded
            server (HTTP 5xx) or wrong content.
        timeout: seconds without a byte, or averaging under `SLOWEST` bytes per second, before the
            connection counts as dropped; twice as many until the headers arrive.

    Raises:
        DownloadError: it cannot be downloaded, or is not what was expected.
    """
    path = Path(path)
    job = _Job(url, path, size, md5, sha256, max_bytes, progress, timeout)
    try:
        _check_url(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        with job.part.open("a+b") as file:
            _require_lock(file, job.part)
            _fill(job, file, attempts)
            os.fsync(file.fileno())
            if os.name == "posix":  # under the lock, so that no process continues the finished file
                job.part.replace(path)
        if os.name != "posix":  # Windows cannot rename an open file
            job.part.replace(path)
    except _Failure as failure:
        raise _error(job, failure) from failure
    except OSError as error:
        raise _error(job, error.strerror or error) from error
    return path


def file_hash(path: str | os.PathLike, algorithm: str = "md5") -> str:
    """The hexadecimal digest of a file, read in chunks."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: _hasher(algorithm)).hexdigest()


class _Failure(Exception):
    """Why a file could not be downloaded; retrying at once does not help."""


class _Again(_Failure):
    """A failure after which a retry may succeed."""


@dataclasses.dataclass
class _Job:
    url: str
    path: Path
    size: int | None
    md5: str | None
    sha256: str | None
    max_bytes: int
    progress: bool
    timeout: float
    # The server's identifier of this version of the file, once known.
    validator: str | None = None
    ranges: bool = True

    @property
    def part(self) -> Path:
        return self.path.with_name(self.path.name + ".part")

    @property
    def resumable(self) -> bool:
        return self.ranges and bool(self.md5 or self.sha256 or self.validator)

    @property
    def limit(self) -> int:
        return self.max_bytes if self.size is None else min(self.size, self.max_bytes)


class _SafeRedirects(ClosingRedirects):
    """Follows redirects within one scheme only, to hosts that `download` itself would accept."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if urllib.parse.urlsplit(newurl).scheme != urllib.parse.urlsplit(req.full_url).scheme:
            raise _Failure(f"the server redirects to {newurl}, another kind of address")
        _check_url(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_loopback(host):
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def _check_url(url):
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError as error:
        raise _Failure(f"{url} is not an address ({error})") from error
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and _is_loopback(parts.hostname):
        return
    raise _Failure(f"{url} is not an https:// address")


def _require_lock(file, part):
    """Ensures that only one process at a time writes the part file."""
    try:
        # Another process may have finished it, and so renamed the file opened here.
        mine = lock(file.fileno()) and os.path.samestat(os.fstat(file.fileno()), part.stat())
    except FileNotFoundError:
        mine = False
    if not mine:
        raise _Failure("another process is fetching it right now; wait for it")


def _fill(job, file, attempts):
    """Completes and verifies the part file, in at most `attempts` tries."""
    try:
        for left in reversed(range(attempts)):
            try:
                _receive(job, file)
                _verify(job, file)
                return
            except _Again:
                if not left:
                    raise
    finally:
        if file.seek(0, os.SEEK_END) == 0:
            with contextlib.suppress(OSError):
                job.part.unlink()


def _receive(job, file: BinaryIO):
    """Appends the missing bytes, or writes all of them if the file cannot be continued."""
    have = file.seek(0, os.SEEK_END)
    if have and (not job.resumable or have > job.limit):
        have = file.truncate(0)
    if have and have == job.size:
        return
    with _open(job, have) as response:
        if response is None or (response.status == 206 and _start(response) != have):
            job.ranges = False
        else:
            if response.status != 206:
                have = file.truncate(0)
            job.validator = _validator(response)
            total = _total(job, response, have)
            _copy(job, response, file, have, total)
            return
    _receive(job, file)


@contextlib.contextmanager
def _open(job, have):
    """The response to a request for the bytes from `have` on; None if the range is refused."""
    headers = {"User-Agent": "fashion-mrcnn", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if job.validator:
            headers["If-Range"] = job.validator
    try:
        is_local = _is_loopback(urllib.parse.urlsplit(job.url).hostname)
        opener = http_opener(_SafeRedirects(), {} if is_local else None)
        request = urllib.request.Request(job.url, headers=headers)
        response = within(2 * job.timeout, lambda: opener.open(request, timeout=job.timeout))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:
            response = contextlib.nullcontext()
        elif error.code >= 500:
            raise _Again(f"the server answered {error.code} {error.reason}") from error
        else:
            raise _Failure(f"the server answered {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _Failure(f"no connection ({_reason(error.reason)})") from error
    except ValueError as error:  # characters that are invalid in a URL
        raise _Failure(f"{job.url} is not an address ({_reason(error)})") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Again(f"the server did not answer ({_reason(error)})") from error
    with response as opened:
        yield opened


def _start(response):
    """The offset at which a 206 response claims to start."""
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _validator(response):
    tag = response.headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")


def _total(job, response, have):
    """The final size of the file, if the server states it; checked before reading any byte."""
    length = response.headers.get("Content-Length", "")
    if not length.isdigit():
        return None
    total = have + int(length)
    if job.size is not None and total != job.size:
        raise _Failure(f"the server offers {total:,} bytes where {job.size:,} were expected")
    if total > job.max_bytes:
        raise _Failure(f"the server offers {total:,} bytes, over the limit of {job.max_bytes:,}")
    free = shutil.disk_usage(job.part.parent).free
    if total - have > free:
        raise _Failure(f"{total - have:,} bytes are needed but only {free:,} are free on the disk")
    return total


def _copy(job, response, file, have, total):
    from tqdm import tqdm

    with tqdm(
        desc=job.path.name,
        total=total or job.size,
        initial=have,
        unit="B",
        unit_scale=True,
        file=sys.stderr,
        disable=not job.progress,
    ) as bar:
        pace = _Pace(job.timeout)
        while chunk := _read(response, have):
            pace.check(len(chunk), have)
            if have + len(chunk) > job.limit:
                file.truncate(0)
                raise _Failure(f"the server sends more than {job.limit:,} bytes")
            file.write(chunk)
            have += len(chunk)
            bar.update(len(chunk))
    file.flush()
    if total is not None and have < total:
        raise _Again(f"the connection was cut after {have:,} of {total:,} bytes")


class _Pace:
    """Ends a transfer that never pauses for long but would never finish, either."""

    def __init__(self, window):
        self.window = max(window, 1.0)
        self.since, self.came = time.monotonic(), 0

    def check(self, count, have):
        self.came += count
        seconds = time.monotonic() - self.since
        if seconds > self.window:
            if self.came < SLOWEST * seconds:
                raise _Again(f"the server sends under {SLOWEST} bytes a second, after {have:,}")
            self.since, self.came = time.monotonic(), 0


def _read(response, have):
    try:
        return response.read1(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _Again(f"the connection broke after {have:,} bytes ({_reason(error)})") from error


def _verify(job, file):
    """Empties the part file and raises _Again if it is not what was expected."""
    have = file.seek(0, os.SEEK_END)
    problem = None
    if job.size is not None and have != job.size:
        problem = f"{have:,} bytes came where {job.size:,} were expected"
    elif not have:
        problem = "nothing came"
    for algorithm, expected in (("md5", job.md5), ("sha256", job.sha256)):
        if expected and not problem:
            found = file_hash(job.part, algorithm)
            if found != expected.lower():
                problem = f"its {algorithm} is {found} where {expected.lower()} was expected"
    if problem:
        file.truncate(0)
        raise _Again(problem)


def _hasher(algorithm):
    # A checksum, not for security, so that it works even where MD5 is forbidden (FIPS).
    return hashlib.new(algorithm, usedforsecurity=False)


def _reason(error):
    return str(error) or type(error).__name__


def _error(job: "_Job", why: object) -> DownloadError:
    checks = [f"{job.size:,} bytes"] if job.size is not None else []
    checks += [f"{k} {v}" for k, v in (("md5", job.md5), ("sha256", job.sha256)) if v]
    expected = f" ({', '.join(checks)})" if checks else ""
    return DownloadError(
        f"{job.path.name} could not be fetched: {why}",
        advice=f"try again later, or fetch {job.url}{expected} by hand and put it at {job.path}",
    )
