"""One self-contained HTML page for looking through labels: thumbnails, outlines, accept and reject.

The page needs no server and no network: thumbnails are embedded, and the decisions are kept by the
browser and exported as a JSON file, which `fashion.review.decisions` applies.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fashion.annotations.instances import group_regions, region_label, region_score
from fashion.annotations.via_reading import ViaImage, ViaRegion
from fashion.html.page import escaped, fill, link, page_file, script_json, thumbnail
from fashion.labels import known_table
from fashion.pictures.listing import wrong_size
from mrcnn.drawing.palette import class_colour
from mrcnn.errors import DatasetError
from mrcnn.images.reading import read_image
from mrcnn.system.background import read_ahead
from mrcnn.system.files import replacing, saving

THUMBNAIL = 360  # pixels of the longer side
# The Content-Security-Policy of the page as a file.
FILE_POLICY = (
    "default-src 'none'; img-src data: file: 'self'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'"
)


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
    """What the page shows about each image: name, link, size, thumbnail, instances; one at a time.

    folder: of the images. page: the page's file, for the links to the images. size: of the
    thumbnails' longer side in pixels. An image that cannot be read has an empty thumbnail and the
    reason as `problem`.
    """

    def make(image: ViaImage) -> dict[str, Any]:
        return _page_image(image, folder, page, size)

    for _, entry in read_ahead(make, images, workers, 2 * workers):
        yield entry


def _page_image(image: ViaImage, folder: Path, page: Path, size: int) -> dict[str, Any]:
    path = folder / image.filename
    entry: dict[str, Any] = {
        "name": image.filename,
        "link": link(path, page),
        "thumbnail": "",
        "problem": "",
    }
    width, height = image.width or 1, image.height or 1
    try:
        pixels = read_image(path)
    except DatasetError as error:
        entry["problem"] = error.replace(path=image.filename).sentence()
    else:
        height, width = pixels.shape[:2]
        reason = wrong_size(path, image.width, image.height, (width, height))
        if reason is None:
            entry["thumbnail"], _, _ = thumbnail(pixels, size)
        else:
            entry["problem"] = f"{image.filename}: {reason}."
    groups = group_regions(image.regions)
    instances = [page_instance(regions) for regions in groups]
    return {**entry, "width": width, "height": height, "instances": instances}


def page_instance(regions: Sequence[ViaRegion]) -> dict[str, Any]:
    """What the page shows about an instance: key, label, score, outline as SVG path data."""
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
    return "M" + "L".join(f"{x:.6g} {y:.6g}" for x, y in points) + "Z"


def write_page(
    page: Path,
    images: Iterable[dict[str, Any]],
    *,
    annotations: str,
    digest: str,
    labels: Sequence[str],
    progress: Callable[[], object] = lambda: None,
) -> int:
    """Write the page, whole or not at all; return the number of its images.

    images: from `page_images`, used one at a time. annotations, digest: name and sha256 of the
    annotation file, which show later whether a decision list belongs to it. labels: all that occur.
    Raises `UserError` when it cannot be written.
    """
    about = {"annotations": annotations, "sha256": digest, "colours": page_colours(labels)}
    head, tail, parts = page_parts(about, FILE_POLICY)
    head, tail = fill(head, parts), fill(tail, parts)
    count = 0
    with saving(page):
        page.parent.mkdir(parents=True, exist_ok=True)
        with replacing(page, "w") as stream:
            stream.write(head)
            for entry in images:
                stream.write(",\n" if count else "\n")
                stream.write(script_json(entry))
                count += 1
                progress()
            stream.write(tail)
    return count


def page_parts(about: Mapping[str, Any], policy: str) -> tuple[str, str, dict[str, str]]:
    """What comes before and after the images in the page, and the parts to fill both with.

    about: what the script knows of the annotations. policy: the page's own Content-Security-Policy;
    "" where its server sends one.
    """
    parts = {
        "POLICY": policy,
        "STYLE": f"\n{page_file('review.css')}",
        "SCRIPT": f"\n{page_file('review.js')}",
        "ABOUT": script_json(about),
        "TITLE": escaped(about["annotations"]),
    }
    head, tail = page_file("review.html").split("/*IMAGES*/")
    return head, tail, parts


def page_colours(labels: Iterable[str]) -> dict[str, str]:
    """A colour for each label, "#rrggbb": those of the drawings if one stage has all labels."""
    names = sorted(set(labels))
    table = known_table(names)
    rows = [table.find(label) if table else None for label in names]
    return {
        label: "#{:02x}{:02x}{:02x}".format(*(row.colour if row else class_colour(number)))
        for number, (label, row) in enumerate(zip(names, rows, strict=True), 1)
    }
