"""Parsed photographs as pictures: one panel for each stage, and all of them on one sheet.

Panels are uint8 RGB [H, W, 3] of the photograph's own size. A class has the colour of its class
table in every panel, in the legend, and in every run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from fashion.labels import MODANET_TABLE, ClassTable
from fashion.parsing.parse import Parsed
from fashion.pictures.sheets import contact_sheet
from mrcnn.drawing import captions, painting
from mrcnn.errors import counted

PANELS = (
    "original",
    "body",
    "clothing",
    "superpixels",
    "pixel level",
    "joint",
    "added by superpixels",
)
TILE = 560  # pixels of a panel's longer side on a sheet
SMALLEST = 240  # smaller photographs are enlarged to this, so that they can be recognised
PERSON_COLOURS = ((255, 170, 60), (90, 200, 250), (180, 130, 255), (120, 220, 120))
_LINE = (255, 255, 255)
_INK, _SOFT_INK, _PAPER = (30, 30, 30), (110, 110, 110), (255, 255, 255)


@dataclass(frozen=True)
class SheetOptions:
    """What the panels show.

    Attributes:
        boxes: also boxes around garments and persons.
        boundaries: also the superpixels' boundaries on the pixel-level and joint panels.
        added_only: what the superpixels added, in place of the joint labels.
        full_size: panels in files are of the photograph's own size, however large.
    """

    boxes: bool = False
    boundaries: bool = False
    added_only: bool = False
    full_size: bool = False


def draw_panels(
    parsed: Parsed, table: ClassTable = MODANET_TABLE, options: SheetOptions | None = None
) -> dict[str, np.ndarray]:
    """Pictures by their names in `PANELS`, in this order, those that exist.

    Without a persons' detector there is no body; what the superpixels added then takes its place,
    so that six remain. With `added_only` it takes the place of the joint labels.
    """
    options = options or SheetOptions()
    lines = parsed.superpixels if options.boundaries else None
    panels = {"original": parsed.image}
    if parsed.looked_for_persons:
        panels["body"] = draw_body(parsed, boxes=options.boxes)
    panels["clothing"] = draw_clothing(parsed, table, boxes=options.boxes)
    panels["superpixels"] = draw_boundaries(parsed.image, parsed.superpixels)
    panels["pixel level"] = draw_labels(parsed.image, parsed.pixel_labels, table, lines)
    if not options.added_only:
        panels["joint"] = draw_labels(parsed.image, parsed.joint_labels, table, lines)
    if options.added_only or not parsed.looked_for_persons:
        added = np.where(parsed.added, parsed.joint_labels, 0)
        panels["added by superpixels"] = draw_labels(parsed.image, added, table, lines)
    return panels


def draw_body(parsed: Parsed, *, boxes: bool = False) -> np.ndarray:
    """The persons in their own colours, the rest pale; all of it pale without a person."""
    persons = parsed.persons
    pale = _pale(parsed.image)
    if parsed.body is None:
        return pale
    canvas = cv2.copyTo(parsed.image, parsed.body.view(np.uint8), pale)
    colours = [PERSON_COLOURS[i % len(PERSON_COLOURS)] for i in range(len(persons))]
    canvas = painting.draw_contours(canvas, persons.masks, colours)
    if boxes:
        canvas = painting.draw_boxes(canvas, persons.rois, colours)
        texts = painting.caption_texts(persons.class_ids, persons.scores, {1: "person"})
        canvas = painting.draw_labels(canvas, persons.rois, texts, colours)
    return canvas


def draw_clothing(parsed: Parsed, table: ClassTable, *, boxes: bool = False) -> np.ndarray:
    """The garments as the network found them, with names and scores."""
    garments = parsed.garments
    result = {
        "rois": garments.rois,
        "class_ids": garments.class_ids,
        "scores": garments.scores,
        "masks": garments.masks,
    }
    names = ["background", *table.names]
    colours = {row.id: row.colour for row in table}
    return painting.draw_detections(parsed.image, result, names, colours, show_boxes=boxes)


def draw_boundaries(image: np.ndarray, superpixels: np.ndarray) -> np.ndarray:
    """The photograph under the boundaries of its superpixels, one pixel wide."""
    canvas = painting.as_rgb(image)
    edges = find_boundaries(superpixels)
    mixed = 0.35 * np.arange(256)[:, None] + 0.65 * np.array((255, 230, 60))
    cv2.copyTo(cv2.LUT(canvas, mixed.astype(np.uint8)[None]), edges.view(np.uint8), canvas)
    return canvas


def find_boundaries(labels: np.ndarray) -> np.ndarray:
    """Pixels whose right or lower neighbour has another label: bool [H, W]."""
    edges = np.zeros(labels.shape, bool)
    edges[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    edges[:-1] |= labels[:-1] != labels[1:]
    return edges


def draw_labels(
    image: np.ndarray,
    labels: np.ndarray,
    table: ClassTable,
    superpixels: np.ndarray | None = None,
    alpha: float = 0.62,
) -> np.ndarray:
    """A label map, uint8 [H, W], in the classes' colours over the pale photograph."""
    canvas = _pale(image)
    colours = palette(table)
    paint = colours.take(labels, axis=0)
    shade = cv2.transform(painting.as_rgb(image), np.full((3, 3), 1 / 3))
    cv2.copyTo(cv2.addWeighted(paint, alpha, shade, 1 - alpha, 0), labels, canvas)
    if superpixels is not None:
        edges = find_boundaries(superpixels)
        canvas[edges] = (0.6 * canvas[edges] + 0.4 * np.array(_LINE)).astype(np.uint8)
    edges = _rim(labels)
    canvas[edges] = (0.6 * colours).astype(np.uint8)[labels[edges]]
    return canvas


def palette(table: ClassTable) -> np.ndarray:
    """The colours of a class table by class id: uint8 [256, 3], 0 black, unknown ids grey."""
    colours = np.full((256, 3), 128, np.uint8)
    colours[0] = 0
    for row in table:
        colours[row.id] = row.colour
    return colours


def draw_sheet(
    parsed: Parsed,
    panels: Mapping[str, np.ndarray],
    table: ClassTable = MODANET_TABLE,
    title: str = "",
) -> np.ndarray:
    """All panels with titles, and a legend below with each class's share of the photograph.

    panels: from `draw_panels`.
    """
    titles = [_title(name, parsed) for name in panels]
    pictures = [_fitting(panel) for panel in panels.values()]
    height, width = pictures[0].shape[:2]
    columns = 6 if height > 2.2 * width else 3 if height > 0.6 * width else 2
    grid = contact_sheet(pictures, titles, columns, TILE)
    return np.vstack([_heading(grid.shape[1], title), grid, _legend(grid.shape[1], parsed, table)])


def _title(panel: str, parsed: Parsed) -> str:
    persons, garments = len(parsed.persons), len(parsed.garments)
    if panel == "body" and persons != 1:
        return f"body: {persons} persons" if persons else "body: nobody"
    if panel == "clothing":
        return f"clothing: {counted(garments, 'garment') if garments else 'no garments'}"
    if panel == "superpixels":
        return f"superpixels: {parsed.superpixels.max()}"
    return panel


def _rim(labels: np.ndarray) -> np.ndarray:
    """Labelled pixels that touch another label with one of their sides: bool [H, W]."""
    edges = np.zeros(labels.shape, bool)
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        apart = labels[one] != labels[other]
        edges[one] |= apart
        edges[other] |= apart
    return edges & (labels > 0)


def _fitting(panel: np.ndarray) -> np.ndarray:
    factor = SMALLEST / max(panel.shape[:2])
    if factor <= 1:
        return panel
    height, width = panel.shape[:2]
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(panel, size, interpolation=cv2.INTER_NEAREST)


def _pale(image: np.ndarray) -> np.ndarray:
    """The photograph in light greys, against which class colours stand out."""
    grey = cv2.cvtColor(painting.as_rgb(image), cv2.COLOR_RGB2GRAY)
    light = (150 + 0.4 * np.arange(256)).astype(np.uint8)
    return cv2.cvtColor(cv2.LUT(grey, light), cv2.COLOR_GRAY2RGB)


def _heading(width: int, title: str) -> np.ndarray:
    if not title:
        return np.empty((0, width, 3), np.uint8)
    strip = np.full((34, width, 3), _PAPER, np.uint8)
    text = captions.shorten(title, 17, width - 20, bold=True)
    captions.write_text(strip, text, (9, 9), 17, _INK, bold=True)
    return strip


def _legend(width: int, parsed: Parsed, table: ClassTable) -> np.ndarray:
    """Swatch, name, and the percentage of the photograph: pixel level, then joint."""
    entries = list(_legend_entries(parsed, table))
    size, tall, left = 14, 30, 10
    if not entries:
        strip = np.full((tall + 6, width, 3), _PAPER, np.uint8)
        captions.write_text(strip, "no garment", (8, left), size, _SOFT_INK)
        return strip
    wide = 34 + max(captions.text_width(f"{n}  {s}", size) for _, n, s in entries) + 18
    columns = max(1, (width - left) // wide)
    strip = np.full((tall * -(-len(entries) // columns) + 10, width, 3), _PAPER, np.uint8)
    for place, (colour, name, share) in enumerate(entries):
        y, x = tall * (place // columns) + 4, left + wide * (place % columns)
        strip[y : y + 20, x : x + 26] = colour
        captions.write_text(strip, name, (y + 2, x + 34), size, _INK)
        after = x + 34 + captions.text_width(f"{name}  ", size)
        captions.write_text(strip, share, (y + 2, after), size, _SOFT_INK)
    return strip


def _legend_entries(
    parsed: Parsed, table: ClassTable
) -> Iterator[tuple[tuple[int, int, int], str, str]]:
    """Colour, name and share of each class that occurs."""
    before = np.bincount(parsed.pixel_labels.ravel(), minlength=256) / parsed.pixel_labels.size
    after = np.bincount(parsed.joint_labels.ravel(), minlength=256) / parsed.joint_labels.size
    for row in table:
        if before[row.id] or after[row.id]:
            share = f"{100 * before[row.id]:.1f} → {100 * after[row.id]:.1f} %"
            yield row.colour, row.name, share
