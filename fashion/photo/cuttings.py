"""Photographs cut down to what others take: half figures, close-ups, and garments alone.

Street photographs show whole figures. What has learnt from these alone errs on portraits, and on
garments on white, as shops show them.
"""

import random
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from fashion.dataset import FashionDataset
from fashion.labels import PERSON
from fashion.photo.worn import Worn, WornWriter, read_worn
from mrcnn.errors import DatasetError
from mrcnn.geometry.boxes import extract_bboxes

LEAST_LEFT = 0.25  # of a garment's pixels, or it is not annotated; of a person any part is
LEAST_SIDE = 64  # pixels of a cutting
UPPER = 0.75  # share of half figures that are upper halves
WHITE = 0.7  # share of grounds that are white; others are a light colour


def cut(worn: Worn, box: tuple[int, int, int, int], least: float = LEAST_LEFT) -> Worn:
    """A part of a photograph, with the person and the garments of which enough is left.

    Args:
        worn: the photograph; not changed.
        box: the part, (y1, x1, y2, x2) in pixels, within the image.
        least: share of a garment's pixels.
    """
    y1, x1, y2, x2 = box
    parts = [mask[y1:y2, x1:x2] for mask in worn.masks]
    kept = [
        number
        for number, (part, mask) in enumerate(zip(parts, worn.masks, strict=True))
        if part.any() and (worn.names[number] == PERSON or part.sum() >= least * mask.sum())
    ]
    image = np.ascontiguousarray(worn.image[y1:y2, x1:x2])
    return Worn(image, [worn.names[n] for n in kept], [parts[n] for n in kept])


def around(
    mask: np.ndarray, margins: tuple[float, float, float, float]
) -> tuple[int, int, int, int]:
    """A mask's box (y1, x1, y2, x2) with margins, shares of its longer side, within the image."""
    y1, x1, y2, x2 = (int(n) for n in extract_bboxes(mask[..., None])[0])
    top, left, bottom, right = (round(share * max(y2 - y1, x2 - x1)) for share in margins)
    height, width = mask.shape
    return max(0, y1 - top), max(0, x1 - left), min(height, y2 + bottom), min(width, x2 + right)


def half_figure(worn: Worn, draw: random.Random) -> Worn:
    """The person above or below a line somewhere around the waist."""
    mask = worn.masks[worn.person]
    top, _, bottom, _ = around(mask, (0, 0, 0, 0))
    line = round(top + draw.uniform(0.35, 0.65) * (bottom - top))
    y1, x1, y2, x2 = around(mask, _margins(draw, 0.25))
    return cut(worn, (y1, x1, line, x2) if draw.random() < UPPER else (line, x1, y2, x2))


def close_up(worn: Worn, draw: random.Random) -> Worn:
    """One garment and something around it."""
    return cut(worn, around(worn.masks[_garment(worn, draw)], _margins(draw, 0.5)))


def alone(worn: Worn, draw: random.Random) -> Worn:
    """One garment on a plain ground."""
    number = _garment(worn, draw)
    mask = worn.masks[number]
    white = draw.random() < WHITE
    ground = [255.0] * 3 if white else [draw.uniform(170, 255) for _ in range(3)]
    alpha = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.8)[..., None]
    image = np.rint(worn.image * alpha + np.array(ground) * (1 - alpha)).astype(np.uint8)
    single = Worn(image, [worn.names[number]], [mask])
    return cut(single, around(mask, _margins(draw, 0.4)))


WAYS: tuple[Callable[[Worn, random.Random], Worn], ...] = (half_figure, close_up, alone)


def cut_photographs(dataset: FashionDataset, target: Path, count: int, seed: int) -> str:
    """Cut photographs in the ways of `WAYS` in turn and write them; a one-line summary.

    Args:
        dataset: a prepared data set of the photo classes; those without person or garment are left
            out.
        target: receives the cuttings and their COCO file.
        count: how many.
        seed: for all choices.

    Raises:
        DatasetError: no photograph can be cut.
    """
    draw, writer = random.Random(seed), WornWriter(target, "cut")
    while len(writer) < count:
        before = len(writer)
        for number in draw.sample(list(dataset.image_ids), len(dataset.image_ids)):
            if len(writer) == count:
                break
            worn = read_worn(dataset, number)
            if PERSON not in worn.names or len(set(worn.names)) < 2:
                continue
            cutting = WAYS[len(writer) % len(WAYS)](worn, draw)
            if min(cutting.image.shape[:2]) >= LEAST_SIDE and cutting.names:
                writer.add(cutting)
        if len(writer) == before:
            raise DatasetError("no photograph shows a garment on a person")
    writer.finish()
    return f"{count} photographs cut to half figures, garments, and garments alone"


def _margins(draw: random.Random, most: float) -> tuple[float, float, float, float]:
    top, left, bottom, right = (draw.uniform(0.02, most) for _ in range(4))
    return top, left, bottom, right


def _garment(worn: Worn, draw: random.Random) -> int:
    return draw.choice([n for n, name in enumerate(worn.names) if name != PERSON])
