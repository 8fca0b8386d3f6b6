"""Pictures on a page: embedded thumbnails that link to the files."""

from collections.abc import Sequence
from pathlib import Path

from fashion.html.page import escaped, fill, link, page_file, thumbnail
from fashion.json_files import write_text
from mrcnn.errors import DatasetError
from mrcnn.images.reading import read_image

INDEX = "index.html"
WIDE, NARROW = 900, 460  # pixels of a thumbnail's longer side, for pairs and single pictures


def picture(path: Path, page: Path, size: int, alt: str) -> str:
    """A thumbnail that links to the picture; a sentence if it cannot be read."""
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
    """The first `count` pictures with their names, and a link to the gallery of all.

    That gallery is what `write_gallery` writes into their folder.

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
        whole = link(paths[0].with_name(INDEX), page)
        more = f'<p class="more">{count} of <a href="{whole}">{len(paths)} pictures</a>.</p>'
    return f'<div class="gallery {kind}">{figures}</div>{more}'


def write_gallery(paths: Sequence[Path], title: str) -> Path:
    """Write a page of all pictures of one folder into that folder, and return its path.

    Raises `UserError` if it cannot be written.
    """
    page = paths[0].with_name(INDEX)
    figures = "".join(
        f"<figure>{picture(path, page, NARROW, path.stem)}"
        f"<figcaption>{escaped(path.stem)}</figcaption></figure>"
        for path in paths
    )
    text = fill(
        page_file("gallery.html"),
        {"STYLE": page_file("found.css"), "TITLE": escaped(title), "FIGURES": figures},
    )
    write_text(page, text)
    return page
