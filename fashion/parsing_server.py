"""A page on this machine for those who click: upload a photograph, look at the stages, download.

The page listens on 127.0.0.1 alone. Requests under another host name are refused, so that no site
can reach it through a name that points here, and so are those that another page sends. What is
uploaded is read by `mrcnn.images.read_image`, stays in memory, and is forgotten when others follow;
no text of the browser becomes part of a path.
"""

import argparse
import contextlib
import importlib.util
import os
import secrets
import socket
import tempfile
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from fashion.labels import MODANET_TABLE, ClassTable
from fashion.parsing import Parsed, ParsingSettings, parse
from fashion.parsing_sheet import SheetOptions, draw_panels
from mrcnn.errors import DatasetError, UserError
from mrcnn.images import read_image

HOST, PORT = "127.0.0.1", 8765
KEPT = 4  # photographs in memory
LARGEST_UPLOAD = 30 * 2**20  # bytes
LARGEST_SETTINGS = 2**14
MOST_PIXELS = 60_000_000
LONGEST_SIDE = 1600  # pixels; larger photographs are made so large before anything else
LEAST_CONFIDENCE = 0.3  # of detections; the page's slider begins here


class Limit(NamedTuple):
    """What a slider of the page may be set to."""

    least: float
    most: float
    step: float


LIMITS = {
    "segments": Limit(100, 3000, 50),
    "compactness": Limit(1, 60, 1),
    "confidence": Limit(LEAST_CONFIDENCE, 0.95, 0.05),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data: blob:; style-src 'self'; "
    "script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass
class Photograph:
    """One upload: its pixels, what was found on it, and how it was parsed last.

    image: uint8 RGB [H, W, 3]. garments, persons: as `MaskRCNN.detect` gives them; persons None
    where nobody is looked for. shrunk_from: width and height before it was made smaller. panels:
    pictures of the stages by title, uint8 RGB [H, W, 3].
    """

    image: np.ndarray
    garments: Mapping[str, np.ndarray]
    persons: Mapping[str, np.ndarray] | None
    shrunk_from: tuple[int, int] | None = None
    settings: ParsingSettings | None = None
    parsed: Parsed | None = None
    panels: Mapping[str, np.ndarray] = field(default_factory=dict)


class Workshop:
    """Detects and parses, one photograph at a time, and keeps the last few.

    clothing, body: detectors, see `fashion.parsing_models`; body may be None. settings: what the
    page begins with.
    """

    def __init__(
        self,
        clothing,
        body=None,
        settings: ParsingSettings | None = None,
        table: ClassTable = MODANET_TABLE,
    ) -> None:
        self.clothing, self.body, self.table = clothing, body, table
        self.settings = settings or ParsingSettings()
        self._photographs: OrderedDict[str, Photograph] = OrderedDict()
        self._lock = threading.Lock()

    def take_in(self, data: bytes) -> tuple[str, Photograph]:
        """Read and detect an uploaded file; the token by which it is called from now on.

        Raises `DatasetError` when it is no picture that can be read.
        """
        with self._lock:  # around the decoding too: an image may take a gigabyte meanwhile
            image, shrunk_from = _decode(data)
            persons = self.body(image) if self.body else None
            photograph = Photograph(image, self.clothing(image), persons, shrunk_from)
            token = secrets.token_urlsafe(16)
            self._photographs[token] = photograph
            while len(self._photographs) > KEPT:
                self._photographs.popitem(last=False)
        return token, photograph

    def find(self, token: str) -> Photograph:
        """A photograph by its token; `KeyError` when it is not kept (any more)."""
        return self._photographs[token]

    def parse(self, photograph: Photograph, values: Mapping[str, float]) -> Parsed:
        """Parse with values of `LIMITS`; those that are missing are as the page began with."""
        confidence = values.get("confidence", self.settings.minimum_confidence)
        settings = replace(
            self.settings,
            minimum_confidence=confidence,
            segments=int(values.get("segments", self.settings.segments)),
            compactness=float(values.get("compactness", self.settings.compactness)),
        )
        with self._lock:
            parsed = parse(
                photograph.image, photograph.garments, photograph.persons, settings, self.table
            )
            photograph.panels = _panels(parsed, self.table)
            photograph.settings = settings
            photograph.parsed = parsed  # last: it tells that the others are there
        return parsed


def _decode(data: bytes) -> tuple[np.ndarray, tuple[int, int] | None]:
    """An uploaded file as uint8 RGB [H, W, 3], and its width and height if it was made smaller."""
    try:
        with tempfile.TemporaryDirectory(prefix="parsing_") as folder:
            path = Path(folder, "upload")
            path.write_bytes(data)
            image = read_image(path, MOST_PIXELS)
    except DatasetError as error:
        raise DatasetError(str(error).replace(str(path), "The upload")) from None
    except OSError as error:
        raise UserError(
            f"The upload cannot be put aside ({error.strerror or error}): make room in "
            f"{tempfile.gettempdir()}."
        ) from None
    height, width = image.shape[:2]
    factor = LONGEST_SIDE / max(height, width)
    if factor >= 1:
        return image, None
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), (width, height)


def _panels(parsed: Parsed, table: ClassTable) -> dict[str, np.ndarray]:
    """All panels, with what the superpixels added at the end."""
    panels = draw_panels(parsed, table)
    added = draw_panels(parsed, table, SheetOptions(added_only=True))
    return panels | {title: added[title] for title in added if title not in panels}


def read_values(data: Any) -> dict[str, float]:
    """The settings in a request. Raises `DatasetError` that names the one that cannot be."""
    if not isinstance(data, dict):
        raise DatasetError("The settings must be a JSON object.")
    values = {}
    for name, limit in LIMITS.items():
        value = data.get(name)
        if value is None:
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not limit.least <= value <= limit.most:
            raise DatasetError(f"{name} must be a number from {limit.least:g} to {limit.most:g}.")
        values[name] = value
    return values


def result_json(photograph: Photograph, table: ClassTable) -> dict[str, Any]:
    """What the page shows beside the pictures of a parsed photograph, as JSON values."""
    parsed = photograph.parsed
    before = np.bincount(parsed.pixel_labels.ravel(), minlength=256) / parsed.pixel_labels.size
    after = np.bincount(parsed.joint_labels.ravel(), minlength=256) / parsed.joint_labels.size
    labels = [
        {
            "name": row.name,
            "colour": "#{:02x}{:02x}{:02x}".format(*row.colour),
            "before": round(100 * float(before[row.id]), 2),
            "after": round(100 * float(after[row.id]), 2),
        }
        for row in table
        if before[row.id] or after[row.id]
    ]
    garments = [
        {"name": o.name, "score": round(o.score, 3), "colour": o.colour and o.colour.name}
        for o in parsed.objects
        if o.kind == "garment"
    ]
    return {
        "panels": list(photograph.panels),
        "labels": labels,
        "garments": garments,
        "persons": len(parsed.persons),
        "superpixels": int(np.count_nonzero(np.bincount(parsed.superpixels.ravel())[1:])),
    }


def result_zip(photograph: Photograph, table: ClassTable) -> bytes:
    """All files that `parse_clothing.py` writes of a parsed photograph, as one ZIP archive."""
    from fashion.parsing_files import OutputJob, write_parsed

    archive = BytesIO()
    with tempfile.TemporaryDirectory(prefix="parsing_") as folder:
        made_with = {"settings": photograph.settings.to_json()}
        job = OutputJob(Path(folder), table=table, made_with=made_with)
        write_parsed(job, "clothing", photograph.parsed)
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file():
                    out.write(path, path.relative_to(folder).as_posix())
    return archive.getvalue()


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --serve and --port."""
    parser.add_argument(
        "--serve", action="store_true", help="open a page on this machine instead (needs flask)"
    )
    parser.add_argument(
        "--port", type=_port, default=PORT, help="of the page; 0 takes any (%(default)s)"
    )


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port, 0 to 65535")
    return value


def serve(options: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C.

    Raises `UserError`: flask is missing, the port is taken, weights are missing or do not fit.
    """
    require_flask()
    from fashion.parsing_models import find_body, find_clothing
    from fashion.parsing_stage import settings_of

    listener = listen(getattr(options, "port", PORT))
    confidence = options.min_confidence
    settings = settings_of(options)
    if confidence is None:
        settings = replace(settings, minimum_confidence=0.7)
    least = min(LEAST_CONFIDENCE, settings.minimum_confidence)
    options = argparse.Namespace(**{**vars(options), "min_confidence": least})
    clothing, body = find_clothing(options), find_body(options)
    workshop = Workshop(clothing.load(), body and body.load(), settings)
    return run_server(workshop, listener)


def require_flask() -> None:
    """Raise `UserError` that says how to install flask when it is not there."""
    if importlib.util.find_spec("flask") is None:
        raise UserError(
            'The page needs flask, which is not installed: pip install "flask>=3", or install '
            "this project with its extra [serve]."
        )


def listen(port: int) -> socket.socket:
    """A socket on 127.0.0.1. Raises `UserError` when the port cannot be had."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # elsewhere it would let two programs share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(16)
    except OSError as error:
        listener.close()
        raise UserError(
            f"Port {port} cannot be used ({error.strerror or error}): another program has it; "
            f"name another with --port."
        ) from error
    return listener


def run_server(workshop: Workshop, listener: socket.socket) -> int:
    """Serve the page on a socket of `listen` until Ctrl-C; 0."""
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
