"""How well label maps agree with the truth: accuracy, IoU, F1 and boundary F of each class.

A label map is uint8 [height, width]: 0 is the background, 1 to n the garments of a class table;
`IGNORED` marks pixels whose true label is unknown, which are not counted. Images are added one by
one and only counts are kept, so that a data set of any size fits in memory.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from fashion.parsing.settings import TOLERANCE
from mrcnn.errors import DatasetError

IGNORED = 255
OVERALL = (
    "pixel_accuracy",
    "foreground_accuracy",
    "mean_iou",
    "garment_iou",
    "mean_f1",
    "boundary_f",
)


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """The figures of one class, each from 0 to 1; NaN where there is nothing to measure by.

    Attributes:
        name: of the class.
        truth, predicted: its pixels in the truth and in the prediction.
        iou: intersection over union of these pixels.
        precision, recall, f1: of these pixels.
        boundary_f: F1 of its outline's pixels, see `ParsingMeasures`.
    """

    name: str
    truth: int
    predicted: int
    iou: float
    precision: float
    recall: float
    f1: float
    boundary_f: float


class ParsingMeasures:
    """Counts over images, and the figures that follow from them.

    All counts are summed over the images before anything is divided. An outline is the pixels of a
    class that touch another label with one of their four sides; the image's border does not count.

    Args:
        names: of all labels, the background first.
        tolerance: how far an outline may be off to count as right, as a share of the image's
            diagonal; at least one pixel is allowed.

    Attributes:
        images: how many were added.
        confusion: int64 [labels, labels], pixels by true label (rows) and predicted one (columns).
        outlines: int64 [labels, 4]: pixels of the predicted outline near the true one, and all of
            them; then pixels of the true outline near the predicted one, and all of them.

    Raises:
        DatasetError: fewer than 2 names, or more than 255.
    """

    def __init__(self, names: Sequence[str], tolerance: float = TOLERANCE) -> None:
        if not 2 <= len(names) <= IGNORED:
            raise DatasetError(
                "a label map cannot have so many labels",
                expected=f"2 to {IGNORED} with the background",
                found=len(names),
            )
        self.names = tuple(names)
        self.tolerance = tolerance
        self.images = 0
        self.confusion = np.zeros((len(names), len(names)), dtype=np.int64)
        self.outlines = np.zeros((len(names), 4), dtype=np.int64)

    def add(self, truth: np.ndarray, predicted: np.ndarray) -> None:
        """Add one image: two label maps, uint8 [height, width] of one shape.

        The truth may contain `IGNORED`. Raises `DatasetError` for other shapes or unknown labels.
        """
        self._check(truth, predicted)
        known = truth != IGNORED
        count = len(self.names)
        pairs = truth[known].astype(np.intp) * count + predicted[known]
        self.confusion += np.bincount(pairs, minlength=count * count).reshape(count, count)
        self._add_outlines(truth, predicted, known)
        self.images += 1

    def _check(self, truth: np.ndarray, predicted: np.ndarray) -> None:
        if truth.ndim != 2 or truth.shape != predicted.shape:
            raise DatasetError(
                "truth and prediction of an image differ in size",
                expected=str(list(truth.shape)),
                found=str(list(predicted.shape)),
            )
        for name, labels in (("truth", truth[truth != IGNORED]), ("prediction", predicted)):
            if labels.size and labels.max() >= len(self.names):
                raise DatasetError(
                    f"the {name} has an unknown label",
                    expected=f"0 to {len(self.names) - 1}",
                    found=int(labels.max()),
                    advice="use the class table that it was made with",
                )

    def _add_outlines(self, truth: np.ndarray, predicted: np.ndarray, known: np.ndarray) -> None:
        reach = max(1.0, self.tolerance * math.hypot(*truth.shape))
        true_edges, found_edges = label_edges(truth, known), label_edges(predicted, known)
        labels = np.union1d(truth[true_edges], predicted[found_edges])
        for label in labels:
            true_outline = true_edges & (truth == label)
            found_outline = found_edges & (predicted == label)
            # Distances are needed only where there is an outline.
            box = cv2.boundingRect((true_outline | found_outline).astype(np.uint8))
            inside = np.s_[box[1] : box[1] + box[3], box[0] : box[0] + box[2]]
            true_outline, found_outline = true_outline[inside], found_outline[inside]
            self.outlines[label] += (
                np.count_nonzero(found_outline & _near(true_outline, reach)),
                np.count_nonzero(found_outline),
                np.count_nonzero(true_outline & _near(found_outline, reach)),
                np.count_nonzero(true_outline),
            )

    def classes(self) -> list[ClassFigures]:
        """The figures of every label, the background first."""
        right = np.diag(self.confusion)
        truth, predicted = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        near_found, found, near_true, true = self.outlines.T
        columns = zip(
            self.names,
            truth.tolist(),
            predicted.tolist(),
            _ratio(right, truth + predicted - right),
            _ratio(right, predicted),
            _ratio(right, truth),
            _ratio(2 * right, truth + predicted),
            _boundary_f(near_found, found, near_true, true),
            strict=True,
        )
        return [ClassFigures(*column) for column in columns]

    def overall(self) -> dict[str, float]:
        """The figures over all classes, from 0 to 1; NaN where there is nothing to measure by.

        pixel_accuracy: pixels with the right label, of all. foreground_accuracy: of those that
        have a garment in the truth. mean_iou: mean over the labels of the truth, the background
        among them. garment_iou, mean_f1, boundary_f: means over the garments of the truth. A class
        that is predicted but nowhere in the truth lowers the figures of those whose pixels it took.
        """
        rows = [row for row in self.classes() if row.truth]
        garments = [row for row in rows if row.name != self.names[0]]
        right = np.diag(self.confusion)
        means = {
            "mean_iou": [row.iou for row in rows],
            "garment_iou": [row.iou for row in garments],
            "mean_f1": [row.f1 for row in garments],
            "boundary_f": [row.boundary_f for row in garments],
        }
        return {
            "pixel_accuracy": float(_ratio(right.sum(), self.confusion.sum())),
            "foreground_accuracy": float(_ratio(right[1:].sum(), self.confusion[1:].sum())),
            **{name: _mean(values) for name, values in means.items()},
        }

    def as_json(self) -> dict[str, Any]:
        """All figures as JSON values; None replaces NaN."""
        rows = [{key: getattr(row, key) for key in row.__slots__} for row in self.classes()]
        return {
            "images": self.images,
            "tolerance": self.tolerance,
            "overall": _without_nan(self.overall()),
            "classes": [_without_nan(row) for row in rows],
            "confusion": self.confusion.tolist(),
        }


def label_edges(labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The pixels that touch another label with one of their four sides, bool [height, width].

    labels: uint8 [height, width]. known: bool of the same shape; there is no edge
    beside an unknown pixel.
    """
    edges = np.zeros(labels.shape, dtype=bool)
    down = (labels[1:] != labels[:-1]) & known[1:] & known[:-1]
    across = (labels[:, 1:] != labels[:, :-1]) & known[:, 1:] & known[:, :-1]
    edges[1:] |= down
    edges[:-1] |= down
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    return edges


def _near(outline: np.ndarray, reach: float) -> np.ndarray:
    """The pixels at most `reach` pixels (centre to centre) from one of the outline."""
    if not outline.any():
        return np.zeros(outline.shape, dtype=bool)
    away = cv2.distanceTransform((~outline).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return away <= reach + 1e-3


def _ratio(part, whole) -> np.ndarray:
    """part / whole, NaN where whole is 0."""
    part, whole = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)


def _boundary_f(near_found, found, near_true, true) -> np.ndarray:
    """F1 of precision and recall of outlines; 0 if only one side has one, NaN if neither has."""
    precision = np.nan_to_num(_ratio(near_found, found))
    recall = np.nan_to_num(_ratio(near_true, true))
    f = np.nan_to_num(_ratio(2 * precision * recall, precision + recall))
    return np.where(found + true > 0, f, np.nan)


def _mean(values: list[float]) -> float:
    values = [value for value in values if not math.isnan(value)]
    return float(np.mean(values)) if values else math.nan


def _without_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and math.isnan(value) else _plain(value)
        for key, value in values.items()
    }


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
