"""Detect again, at a larger scale, around instances of one class that are small in the image.

    closer = CloserLook(model, person=14, confidence=0.7)
    result = closer.detect([image])[0]  # like that of MaskRCNN.detect

A model that has learnt from photographs of one person each misses most of what people wear where
they are small, as in a wide photograph, or one of several people. But it finds the people. So each
is cut out and detected on again, at the size to which the network is used. Where nothing is found
at all, or the image is wide, people may be too small to be found: then they are also looked for in
parts of half the image's size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mrcnn.config import Config
from mrcnn.geometry.boxes import non_max_suppression

LEAST_PERSON = 0.5  # score from which a person is looked at
LEAST_GAIN = 1.4  # by which it must become larger to be looked at
WHOLE = 2.0  # times higher than wide: of standing people all but 1 %, of those to the waist 5 %
MARGIN = 0.08  # around a person, as a share of the longer side
MOST_PERSONS = 8
INSIDE = 0.5  # share of a box within a cut-out from which the closer look decides about it
CUT = 0.01  # of a cut-out's longer side: what comes closer to where it was cut is not whole

Box = tuple[int, int, int, int]
Result = Mapping[str, Any]


class InferenceModel(Protocol):
    """What detects on photographs: a `MaskRCNN` in inference mode, or a `CloserLook` at it."""

    @property
    def config(self) -> Config:
        """The network's."""

    def detect(self, images: Sequence[np.ndarray], *, soft_masks: bool = False) -> list[dict]:
        """See `MaskRCNN.detect`."""


@dataclass(frozen=True)
class CloserLook:
    """Detects like `MaskRCNN.detect`, and again on persons who are small in the image.

    Images without such persons have the model's own result.

    Attributes:
        model: detects everything, persons included, from `least_score(confidence)` on.
        person: class id of persons.
        confidence: minimum score of what is returned.
        with_persons: whether persons are returned.
    """

    model: InferenceModel
    person: int
    confidence: float
    with_persons: bool = False

    @staticmethod
    def least_score(confidence: float) -> float:
        """The DETECTION_MIN_CONFIDENCE that the model needs."""
        return min(confidence, LEAST_PERSON)

    @property
    def config(self) -> Config:
        """The model's; its DETECTION_MIN_CONFIDENCE may be lower than `confidence`."""
        return self.model.config

    def detect(self, images: Sequence[np.ndarray], *, soft_masks: bool = False) -> list[dict]:
        """See `MaskRCNN.detect`. What is cut out of all images is detected on together."""
        found = self.model.detect(images, soft_masks=soft_masks)
        persons = [self.persons(one, image) for one, image in zip(found, images, strict=True)]
        boxes = [self.small_persons(one, image) for one, image in zip(persons, images, strict=True)]
        cut_out = [
            image[y1:y2, x1:x2]
            for image, own in zip(images, boxes, strict=True)
            for y1, x1, y2, x2 in own
        ]
        closer = iter(self.model.detect(cut_out, soft_masks=soft_masks) if cut_out else [])
        return [
            self._joined(one, [(next(closer), box) for box in own], image.shape)
            if own
            else _rows(one, self._wanted(one))
            for one, own, image in zip(found, boxes, images, strict=True)
        ]

    def small_persons(self, found: Result, image: np.ndarray) -> list[Box]:
        """What to cut out of an image: persons with a margin, the largest first.

        Only whole figures are: the garments of half a figure are as large as those of a whole one
        that is looked at, and would become too large.

        Args:
            found: the likely persons in it.
            image: `[height, width, 3]`.

        Returns:
            Boxes `(y1, x1, y2, x2)` in pixels, at most `MOST_PERSONS`.
        """
        rois = np.asarray(found["rois"], int)
        sides = rois[:, 2:] - rois[:, :2]
        rois = rois[sides[:, 0] >= WHOLE * sides[:, 1]]
        height, width = image.shape[:2]
        largest = np.argsort(-np.prod(rois[:, 2:] - rois[:, :2], axis=1), kind="stable")
        boxes = []
        for y1, x1, y2, x2 in rois[largest[:MOST_PERSONS]].tolist():
            margin = round(MARGIN * max(y2 - y1, x2 - x1))
            corner = max(0, y1 - margin), max(0, x1 - margin)
            box = (*corner, min(height, y2 + margin), min(width, x2 + margin))
            if self._scale(box) >= LEAST_GAIN * self._scale((0, 0, height, width)):
                boxes.append(box)
        return boxes

    def persons(self, found: Result, image: np.ndarray) -> dict[str, Any]:
        """The persons in an image, as `rois`, `class_ids` and `scores`.

        They are also looked for in its parts if nothing else was found or a part of a wide image is
        as high as the whole, but not if the parts have fewer pixels than the network would see.
        """
        height, width = image.shape[:2]
        parts = halves(image.shape, 2 * self._scale((0, 0, height, width)), self.config.IMAGE_SHAPE)
        is_wide = all(part[0] == 0 and part[2] == height for part in parts)
        looked = [(found, (0, 0, height, width))]
        if self._scale(parts[0]) <= 1 and (is_wide or not _is_likely(found).any()):
            cut_out = [image[y1:y2, x1:x2] for y1, x1, y2, x2 in parts]
            looked += zip(self.model.detect(cut_out), parts, strict=True)
        rois, scores = [], []
        for result, box in looked:
            rows = (result["class_ids"] == self.person) & _is_likely(result)
            rows &= ~cut_through(result["rois"], box, image.shape)
            rois.append(np.asarray(result["rois"], np.int32)[rows] + [*box[:2], *box[:2]])
            scores.append(result["scores"][rows])
        persons = {"rois": np.concatenate(rois), "scores": np.concatenate(scores)}
        persons["class_ids"] = np.full(len(persons["scores"]), self.person)
        return _rows(persons, self._unsuppressed(persons))

    def _scale(self, box: Box) -> float:
        """Network pixels per pixel where this part of an image is the network's input."""
        y1, x1, y2, x2 = box
        height, width = self.config.IMAGE_SHAPE[:2]
        return float(min(height / (y2 - y1), width / (x2 - x1)))

    def _wanted(self, found: Result) -> np.ndarray:
        """Which rows are to be returned, bool [N]."""
        wanted = found["scores"] >= self.confidence
        return wanted if self.with_persons else wanted & (found["class_ids"] != self.person)

    def _joined(
        self, found: Result, closer: Sequence[tuple[Result, Box]], shape: Sequence[int]
    ) -> dict[str, Any]:
        """The first look at an image of this shape where nothing was cut out, and the closer ones.

        Of detections of one class that overlap more than non-maximum suppression allows, such as of
        two people close together, the one with the highest score remains.
        """
        first = self._wanted(found)
        boxes = np.array([box for _, box in closer])
        cut_out = np.any(shares_inside(found["rois"], boxes) >= INSIDE, axis=1)
        parts = [(found, (0, 0), first & (~cut_out | (found["class_ids"] == self.person)))]
        for result, box in closer:
            rows = self._wanted(result) & ~cut_through(result["rois"], box, shape)
            parts.append((result, box[:2], rows))
        merged = {
            key: np.concatenate([result[key][rows] for result, _, rows in parts])
            for key in found
            if key not in ("rois", "masks")
        }
        moved = [np.asarray(one["rois"])[rows] + [*at, *at] for one, at, rows in parts]
        merged["rois"] = np.concatenate(moved).astype(np.int32)
        kept = self._unsuppressed(merged)
        result = {key: merged[key][kept] for key in found if key != "masks"}
        places = [
            (one, at, row) for one, at, rows in parts for row in np.flatnonzero(rows).tolist()
        ]
        masks = np.zeros((len(kept), *shape[:2]), bool)
        for mask, number in zip(masks, kept.tolist(), strict=True):
            one, (y, x), row = places[number]
            own = one["masks"][..., row]
            mask[y : y + own.shape[0], x : x + own.shape[1]] = own
        return {**result, "masks": np.moveaxis(masks, 0, -1)}

    def _unsuppressed(self, found: Result) -> np.ndarray:
        """The rows that non-maximum suppression within classes keeps, by descending score."""
        # Side by side, boxes of different classes do not overlap.
        apart = found["class_ids"][:, None] * (1 + found["rois"].max(initial=0))
        limit = self.config.DETECTION_NMS_THRESHOLD
        return non_max_suppression(found["rois"] + apart, found["scores"], limit)


def halves(shape: Sequence[int], scale: float, network: Sequence[int]) -> list[Box]:
    """Parts of an image that fill the network's input at this scale: at its corners and centre.

    Args:
        shape: `(height, width, ...)` of the image.
        scale: network pixels per pixel.
        network: `(height, width, ...)` of the network's input.
    """
    sides = [
        min(side, max(1, round(most / scale)))
        for side, most in zip(shape[:2], network[:2], strict=True)
    ]
    left = [side - own for side, own in zip(shape[:2], sides, strict=True)]
    corners = [(y, x) for y in (0, left[0]) for x in (0, left[1])]
    corners.append((left[0] // 2, left[1] // 2))
    return [(y, x, y + sides[0], x + sides[1]) for y, x in dict.fromkeys(corners)]


def _is_likely(found: Result) -> np.ndarray:
    return found["scores"] >= LEAST_PERSON


def _rows(found: Result, rows: np.ndarray) -> dict[str, Any]:
    """Some rows of a result: bool [N], or indices; all of them without copying."""
    if rows.dtype == bool and rows.all():
        return dict(found)
    return {
        key: value[..., rows] if key == "masks" else value[rows] for key, value in found.items()
    }


def shares_inside(rois: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Which share of each of N boxes lies within each of M others, float [N, M]."""
    first = np.maximum(rois[:, None, :2], boxes[:, :2])
    last = np.minimum(rois[:, None, 2:], boxes[:, 2:])
    common = np.prod(np.maximum(last - first, 0), axis=2)
    return common / np.prod(rois[:, 2:] - rois[:, :2], axis=1)[:, None]


def cut_through(rois: np.ndarray, box: Box, shape: Sequence[int]) -> np.ndarray:
    """Which of N boxes on a cut-out end where it was cut: somebody else's, in part; bool [N].

    Args:
        rois: on the cut-out.
        box: of the cut-out in the image.
        shape: `(height, width, ...)` of the image, whose own borders cut nobody out.
    """
    y1, x1, y2, x2 = box
    near = CUT * max(y2 - y1, x2 - x1)
    low = np.array([near if y1 else -1, near if x1 else -1])
    high = np.array([y2 - y1 - near if y2 < shape[0] else np.inf,
                     x2 - x1 - near if x2 < shape[1] else np.inf])  # fmt: skip
    return np.any((rois[:, :2] < low) | (rois[:, 2:] > high), axis=1)
