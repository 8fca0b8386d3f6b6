"""Pictures on the pipeline's page: thumbnails in the page itself, that link to the whole files."""

import base64
import html
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import cv2

from mrcnn.errors import DatasetError
from mrcnn.images import read_image

JPEG_QUALITY = 82
WIDE, NARROW = 900, 460  # pixels of a thumbnail's longer side, for pairs and for single pictures


def picture(path: Path, page: Path, size: int, alt: str) -> str:
    """A thumbnail that is a link to the whole picture; a sentence where it cannot be read."""
    name = _text(path.name)
    try:
        pixels = read_image(path)
    except DatasetError:
        return f'<p class="none">{name} cannot be read.</p>'
    height, width = pixels.shape[:2]
    factor = min(1.0, size / max(height, width))
    if factor < 1:
        shape = (max(1, round(width * factor)), max(1, round(height * factor)))
        pixels = cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    address = "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
    return (
        f'<a class="picture" href="{link(path, page)}">'
        f'<img src="{address}" width="{pixels.shape[1]}" height="{pixels.shape[0]}" '
        f'alt="{_text(alt)}"></a>'
    )


def gallery(paths: Sequence[Path], page: Path, kind: str, about: str, count: int) -> str:
    """The first `count` pictures with their names, and a link to the folder of all.

    page: where the page will stand. kind: "pairs" or "singles". about: what they show, for those
    who do not see them.
    """
    size = WIDE if kind == "pairs" else NARROW
    figures = "".join(
        f"<figure>{picture(path, page, size, f'{about}: {path.stem}')}"
        f"<figcaption>{_text(path.stem)}</figcaption></figure>"
        for path in paths[:count]
    )
    more = ""
    if len(paths) > count:
        folder = link(paths[0].parent, page)
        more = f'<p class="more">{count} of <a href="{folder}/">{len(paths)} pictures</a>.</p>'
    return f'<div class="gallery {kind}">{figures}</div>{more}'


def link(path: Path, page: Path) -> str:
    """The address of a file as seen from the page."""
    try:
        relative = os.path.relpath(path, page.parent)
    except ValueError:  # another drive
        return html.escape(path.absolute().as_uri(), quote=True)
    return html.escape(quote(os.fsencode(Path(relative).as_posix())), quote=True)


def _text(text: str) -> str:
    """Text for a page, which is UTF-8; the names of files are not always."""
    return html.escape(text.encode("utf-8", "backslashreplace").decode(), quote=True)
