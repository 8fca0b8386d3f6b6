"""Pictures on a page: embedded thumbnails that link to the files."""

from collections.abc import Sequence
from pathlib import Path

from fashion.html.page import escaped, link, thumbnail
from mrcnn.errors import DatasetError
from mrcnn.images.reading import read_image

WIDE, NARROW = 900, 460  # pixels of a thumbnail's longer side, for pairs and single pictures


def picture(path: Path, page: Path, size: int, alt: str) -> str:
    """A thumbnail that links to the picture; a sentence where it cannot be read."""
    name = escaped(path.name)
    try:
        pixels = read_image(path)
    except DatasetError:
        return f'<p class="none">{name} cannot be read.</p>'
    address, width, height = thumbnail(pixels, size)
    return (
        f'<a class="picture" href="{link(path, page)}">'
        f'<img src="{address}" width="{width}" height="{height}" '
        f'alt="{escaped(alt)}"></a>'
    )


def gallery(paths: Sequence[Path], page: Path, kind: str, about: str, count: int) -> str:
    """The first `count` pictures with their names, and a link to the folder of all.

    page: where the page will be. kind: "pairs" or "singles". about: what they show, as alternative
    text.
    """
    size = WIDE if kind == "pairs" else NARROW
    figures = "".join(
        f"<figure>{picture(path, page, size, f'{about}: {path.stem}')}"
        f"<figcaption>{escaped(path.stem)}</figcaption></figure>"
        for path in paths[:count]
    )
    more = ""
    if len(paths) > count:
        folder = link(paths[0].parent, page)
        more = f'<p class="more">{count} of <a href="{folder}/">{len(paths)} pictures</a>.</p>'
    return f'<div class="gallery {kind}">{figures}</div>{more}'
