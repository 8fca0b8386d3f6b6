"""What all HTML pages need: filling templates, escaping text and links, embedding pictures.

A page is one file that needs no server and no network. Its template, style and script are in
`fashion.PAGES`.
"""

import base64
import html
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np

from fashion import PAGES

JPEG_QUALITY = 80
_MARK = re.compile(r"/\*([A-Z0-9]+)\*/")


def page_file(name: str) -> str:
    """The text of a template, style or script."""
    return (PAGES / name).read_text(encoding="utf-8")


def fill(template: str, parts: Mapping[str, str]) -> str:
    """The template with `parts["NAME"]` in place of each `/*NAME*/`.

    The parts are HTML and are not searched for marks themselves. Raises `KeyError` for a mark
    without a part.
    """
    return _MARK.sub(lambda mark: parts[mark[1]], template)


def escaped(text: object) -> str:
    """Text as HTML, for elements and quoted attributes.

    Names of files may hold bytes that are not text; they are shown by their codes, since a page is
    UTF-8.
    """
    return html.escape(str(text).encode("utf-8", "backslashreplace").decode(), quote=True)


def script_json(value: Any) -> str:
    """JSON that is safe in a script element: nothing in it ends the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def link(path: Path, page: Path) -> str:
    """The address of a file as seen from the page, ready for an attribute."""
    try:
        relative = os.path.relpath(path, page.parent)
    except ValueError:  # another drive
        return path.absolute().as_uri()
    return quote(os.fsencode(Path(relative).as_posix()))


def embedded(data: bytes, kind: str) -> str:
    """A picture file's bytes as an address; kind: "jpeg" or "png"."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def thumbnail(pixels: np.ndarray, size: int) -> tuple[str, int, int]:
    """A picture, uint8 [height, width, 3] RGB, as the address of a JPEG; its width and height.

    size: of the longer side in pixels; smaller pictures stay as they are.
    """
    height, width = pixels.shape[:2]
    factor = min(1.0, size / max(height, width))
    if factor < 1:
        width, height = max(1, round(width * factor)), max(1, round(height * factor))
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return embedded(data.tobytes(), "jpeg"), width, height
