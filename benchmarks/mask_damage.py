"""True masks damaged on purpose, the way networks get them wrong; the same for the same seed."""

import math

import cv2
import numpy as np

from fashion.parsing.skin import skin_by_range

ERODED = 0.07  # of the square root of a mask's area, on either side
BITE, BITES = 0.28, 2  # radius of what is bitten out, in the same unit, and how often
SHIFT = (0.008, 0.016)  # of the image's diagonal: 6 to 12 pixels at 400 x 600


def eroded(mask, random):
    """Thinner all around by up to a fifteenth of its size; never empty."""
    radius = max(1, round(ERODED * math.sqrt(mask.sum()) * random.uniform(0.5, 1)))
    framed = cv2.copyMakeBorder(mask.view(np.uint8), *[radius] * 4, cv2.BORDER_CONSTANT, value=1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    thinner = cv2.erode(framed, disc)[radius:-radius, radius:-radius].astype(bool)
    return thinner if thinner.any() else mask


def with_parts_missing(mask, random):
    """With round bites missing, about a quarter of it altogether."""
    rows, columns = np.nonzero(mask)
    bitten = mask.view(np.uint8).copy()
    radius = max(1, round(BITE * math.sqrt(len(rows))))
    for _ in range(BITES):
        at = random.integers(len(rows))
        cv2.circle(bitten, (int(columns[at]), int(rows[at])), radius, 0, -1)
    return bitten.astype(bool) if bitten.any() else mask


def shifted(mask, random):
    """Moved by up to a sixtieth of the diagonal, in any direction."""
    far = random.uniform(*SHIFT) * math.hypot(*mask.shape)
    angle = random.uniform(0, 2 * math.pi)
    move = np.float32([[1, 0, round(far * math.cos(angle))], [0, 1, round(far * math.sin(angle))]])
    moved = cv2.warpAffine(mask.view(np.uint8), move, mask.shape[::-1], flags=cv2.INTER_NEAREST)
    return moved.astype(bool) if moved.any() else mask


DAMAGES = {"eroded": eroded, "parts missing": with_parts_missing, "shifted": shifted}


def damaged_detections(masks, class_ids, kind, seed):
    """True instances as a detector would give them, all of their masks damaged in one way.

    masks: bool [H, W, N]. class_ids: int [N]. kind: of `DAMAGES`. seed: int, or a list of them.
    Smaller instances have higher scores, so that they are on top, as in the truth.
    """
    random = np.random.default_rng(seed)
    kept = (class_ids > 0) & masks.any(axis=(0, 1))
    masks, class_ids = masks[..., kept], class_ids[kept]
    order = np.argsort(masks.sum(axis=(0, 1)), kind="stable")
    whole = [np.ascontiguousarray(masks[..., index]) for index in order]
    damaged = [DAMAGES[kind](mask, random) for mask in whole]
    return {
        "class_ids": class_ids[order],
        "scores": np.linspace(0.99, 0.9, len(order), dtype=np.float32),
        "rois": np.array([_box(mask) for mask in damaged], np.int32).reshape(-1, 4),
        "masks": np.stack(damaged, axis=-1) if damaged else masks,
    }


def body_of_truth(image, masks, skin_range):
    """A person as a mask head of 28 x 28 cells would see it, bool [H, W]: a stand-in for COCO's.

    The true garments, and what has the colour of skin within their hull, are united, closed and
    then blurred by the cells. masks: bool [H, W, N]; without any it is empty.
    """
    worn = masks.any(axis=2).astype(np.uint8)
    if not worn.any():
        return worn.astype(bool)
    points = cv2.findNonZero(worn)
    hull = np.zeros_like(worn)
    cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
    person = worn | (skin_by_range(image, skin_range) & (hull > 0)).astype(np.uint8)
    reach = round(0.02 * math.hypot(*worn.shape))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    person = cv2.morphologyEx(person, cv2.MORPH_CLOSE, disc)
    y1, x1, y2, x2 = _box(person)
    inside = person[y1:y2, x1:x2].astype(np.float32)
    cells = cv2.resize(inside, (28, 28), interpolation=cv2.INTER_AREA)
    seen = np.zeros(worn.shape, bool)
    whole = cv2.resize(cells, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)
    seen[y1:y2, x1:x2] = whole >= 0.5
    return seen


def _box(mask):
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return y, x, y + height, x + width
