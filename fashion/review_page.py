"""One self-contained HTML page to look through labels: thumbnails, outlines, accept and reject.

The page needs no server and no network: thumbnails are embedded, and what is decided is kept by the
browser and exported as a JSON file, which `fashion.review_decisions` applies.
"""

import base64
import html
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np

from fashion.instances import group_regions, region_score
from fashion.label_regions import region_label
from fashion.labels import ClassTable, class_colour
from fashion.via_read import ViaImage, ViaRegion
from mrcnn.errors import DatasetError, UserError
from mrcnn.files import replacing
from mrcnn.images import read_image
from mrcnn.read_ahead import read_ahead

PAGES = Path(__file__).with_name("pages")
THUMBNAIL = 360  # pixels of the longer side
JPEG_QUALITY = 80


def instance_key(regions: Sequence[ViaRegion]) -> str:
    """What a decision list calls an instance: its `instance` value, else its region's number."""
    return regions[0].instance or f"region {regions[0].number}"


def page_images(
    images: Iterable[ViaImage],
    folder: Path,
    page: Path,
    *,
    size: int = THUMBNAIL,
    workers: int = 2,
) -> Iterator[dict[str, Any]]:
    """What the page holds of each image: name, link, size, thumbnail, instances; one at a time.

    folder: of the images. page: where the page will stand, for the links to the images. size: of
    the thumbnails' longer side in pixels. An image that cannot be read has an empty thumbnail and
    the reason as `problem`.
    """

    def make(image: ViaImage) -> dict[str, Any]:
        return _page_image(image, folder, page, size)

    for _, entry in read_ahead(make, images, workers, 2 * workers):
        yield entry


def _page_image(image: ViaImage, folder: Path, page: Path, size: int) -> dict[str, Any]:
    path = folder / image.filename
    entry = {"name": image.filename, "link": _link(path, page), "thumbnail": "", "problem": ""}
    width, height = image.width or 1, image.height or 1
    try:
        pixels = read_image(path)
    except DatasetError as error:
        entry["problem"] = str(error).replace(str(path), image.filename)
    else:
        height, width = pixels.shape[:2]
        entry["thumbnail"] = _thumbnail(pixels, size)
    groups = group_regions(image.regions)
    instances = [_page_instance(regions) for regions in groups]
    return {**entry, "width": width, "height": height, "instances": instances}


def _page_instance(regions: Sequence[ViaRegion]) -> dict[str, Any]:
    labelled = next((r for r in regions if not r.is_hole), regions[0])
    outlines = (_path(region.points) for region in regions)
    return {
        "key": instance_key(regions),
        "label": region_label(labelled),
        "score": region_score(labelled.attributes),
        "outline": "".join(outlines),
    }


def _path(points: np.ndarray) -> str:
    """An outline as SVG path data, in pixels of the image."""
    return "M" + "L".join(f"{x:.4g} {y:.4g}" for x, y in points) + "Z"


def _thumbnail(pixels: np.ndarray, size: int) -> str:
    """A JPEG of the image as a data address."""
    height, width = pixels.shape[:2]
    factor = min(1.0, size / max(height, width))
    shape = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = cv2.resize(pixels, shape, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def _link(path: Path, page: Path) -> str:
    """The address of an image as seen from the page."""
    try:
        relative = os.path.relpath(path, page.parent)
    except ValueError:  # another drive
        return path.absolute().as_uri()
    return quote(os.fsencode(Path(relative).as_posix()))


def write_page(
    page: Path,
    images: Iterable[dict[str, Any]],
    *,
    annotations: str,
    digest: str,
    labels: Sequence[str],
    table: ClassTable | None = None,
    progress: Callable[[], object] = lambda: None,
) -> int:
    """Write the page, whole or not at all; the number of its images.

    images: of `page_images`, taken one at a time. annotations, digest: name and sha256 of the
    annotation file, by which a decision list is known to belong to it. labels: all that occur.
    Raises `UserError` when it cannot be written.
    """
    head, tail = _template(annotations, digest, _colours(labels, table))
    count = 0
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        with replacing(page, "w") as stream:
            stream.write(head)
            for entry in images:
                stream.write(",\n" if count else "\n")
                stream.write(_script_json(entry))
                count += 1
                progress()
            stream.write(tail)
    except OSError as error:
        raise UserError(
            f"{page} cannot be written ({error.strerror or error}): make room, or name another "
            f"with --output."
        ) from error
    return count


def _template(annotations: str, digest: str, colours: dict[str, str]) -> tuple[str, str]:
    """What stands in the page before and after the images."""
    text, style, script = (
        (PAGES / f"review.{ending}").read_text(encoding="utf-8") for ending in ("html", "css", "js")
    )
    about = {"annotations": annotations, "sha256": digest, "colours": colours}
    parts = {
        "/*STYLE*/": f"\n{style}",
        "/*SCRIPT*/": f"\n{script}",
        "/*ABOUT*/": _script_json(about),
        "{{title}}": html.escape(annotations),
    }
    # In one pass: what stands in a part is not looked through for the marks of others.
    halves = text.split("/*IMAGES*/")
    mark = re.compile("|".join(map(re.escape, parts)))
    head, tail = (mark.sub(lambda found: parts[found[0]], half) for half in halves)
    return head, tail


def _script_json(value: Any) -> str:
    """JSON that can stand in a script element: nothing in it ends the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _colours(labels: Sequence[str], table: ClassTable | None) -> dict[str, str]:
    """A colour for each label, "#rrggbb": the class table's, else one a label."""
    names = sorted(set(labels))
    rows = [table.find(label) if table else None for label in names]
    if None in rows:  # a mixture would give two labels one colour
        rows = [None] * len(rows)
    return {
        label: "#{:02x}{:02x}{:02x}".format(*(row.colour if row else class_colour(number)))
        for number, (label, row) in enumerate(zip(names, rows, strict=True), 1)
    }
