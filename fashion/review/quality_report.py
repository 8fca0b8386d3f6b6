"""The comparison of automatic labels with the truth as a table and as pictures."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fashion.pictures.sheets import contact_sheet, save_png, side_by_side
from fashion.polygons.filling import polygons_to_mask
from fashion.review.quality import Comparison, LabelledGarment, LabelQuality
from fashion.terminal import text_table
from mrcnn.drawing.painting import draw_detections
from mrcnn.errors import DatasetError
from mrcnn.geometry.boxes import extract_bboxes
from mrcnn.images.reading import read_image

GOOD, BAD = (40, 190, 90), (230, 40, 50)
HEAD = ["label", "truth", "auto", "matched", "precision", "recall", "IoU", "points", "(truth)"]


def quality_table(quality: LabelQuality) -> str:
    """A line for each label and one for all, for a terminal."""
    rows = [_row(label, quality.figures(label)) for label in quality.labels()]
    return text_table(HEAD, [*rows, _row("all", quality.figures())])


def _row(label: str, figures: dict) -> list[str]:
    counts = [str(figures[name]) for name in ("truth", "auto", "matched")]
    shares = [_number(figures[name], 3) for name in ("precision", "recall", "mean_iou")]
    return [
        label,
        *counts,
        *shares,
        *(_number(figures[f"points_{s}"], 1) for s in ("auto", "truth")),
    ]


def _number(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def write_worst(
    quality: LabelQuality,
    images: Path,
    folder: Path,
    count: int,
    progress: Callable[[], object] = lambda: None,
) -> tuple[list[Path], list[str]]:
    """Draw the worst images, truth and automatic labels side by side, and one sheet of all.

    images: their folder. Matched instances are green with their IoU; missed ones (on the side of
    the truth) and wrong ones (on the other) are red. Returns the files, the sheet last, and a
    sentence for each image that cannot be read.
    """
    written, errors, tiles, titles = [], [], [], []
    for rank, name in enumerate(quality.worst(count), 1):
        own = [c for c in quality.comparisons if c.image == name]
        progress()
        try:
            picture = draw_comparison(read_image(images / name), own)
        except DatasetError as error:
            errors.append(str(error))
            continue
        written.append(save_png(folder / f"worst_{rank:03d}_{Path(name).stem}.png", picture))
        tiles.append(picture)
        titles.append(name)
    if tiles:
        written.append(save_png(folder / "worst.png", contact_sheet(tiles, titles, tile=520)))
    return written, errors


def draw_comparison(image: np.ndarray, comparisons: Sequence[Comparison]) -> np.ndarray:
    """The truth and the automatic labels of one image side by side: uint8 RGB.

    image: uint8 [height, width, 3].
    """
    truths = [(c.truth, c) for c in comparisons if c.truth]
    autos = [(c.auto, c) for c in comparisons if c.auto]
    return side_by_side([_draw(image, truths), _draw(image, autos)], ["truth", "automatic"])


def _draw(image: np.ndarray, garments: list[tuple[LabelledGarment, Comparison]]) -> np.ndarray:
    height, width = image.shape[:2]
    masks = [
        polygons_to_mask(garment.outlines.parts, garment.outlines.holes, height, width)
        for garment, _ in garments
    ]
    stacked = np.stack(masks, axis=-1) if masks else np.zeros((height, width, 0), dtype=bool)
    ids = np.array([1 if c.auto and c.truth else 2 for _, c in garments], dtype=np.int32)
    result = {"rois": extract_bboxes(stacked), "class_ids": ids, "masks": stacked}
    captions = [_caption(*pair) for pair in garments]
    return draw_detections(image, result, {}, {1: GOOD, 2: BAD}, captions=captions)


def _caption(garment: LabelledGarment, comparison: Comparison) -> str:
    score = garment.outlines.score
    text = garment.label if score is None else f"{garment.label} {score:.2f}"
    if comparison.auto and comparison.truth:
        return f"{text} IoU {comparison.iou:.2f}"
    return f"{text} {'wrong' if comparison.auto else 'missed'}"
