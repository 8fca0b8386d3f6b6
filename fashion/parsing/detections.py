"""The detections of a picture, and the evidence at each pixel for each garment class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mrcnn.errors import DatasetError
from mrcnn.geometry.masks import box_probabilities, resize_detections
from mrcnn.inference.closer_look import shares_inside

PERSON = 1  # COCO's class id
WORN = 0.4  # least score of a garment that belongs to a person
ON_PERSON = 0.5  # least share of its box within the person's


@dataclass(frozen=True)
class Detections:
    """What was detected on one image, the highest score first.

    Attributes:
        class_ids: int32 [N].
        scores: float32 [N].
        rois: int32 [N, (y1, x1, y2, x2)] in pixels, exclusive at y2 and x2.
        masks: bool [H, W, N].
        soft_masks: float32 [N, h, w], the network's probabilities within each box; None where
            the detector gave none.
    """

    class_ids: np.ndarray
    scores: np.ndarray
    rois: np.ndarray
    masks: np.ndarray
    soft_masks: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.class_ids)

    def chosen(self, which: np.ndarray) -> "Detections":
        """Some of them: `which` is bool [N], or indices."""
        soft = None if self.soft_masks is None else self.soft_masks[which]
        return Detections(
            self.class_ids[which],
            self.scores[which],
            self.rois[which],
            self.masks[..., which],
            soft,
        )

    def resized(self, height: int, width: int) -> "Detections":
        """The same on the image resized to this size."""
        rois, masks = resize_detections(self.rois, self.masks, height, width)
        return replace(self, rois=rois, masks=masks)


def detections_of(
    result: Mapping[str, np.ndarray] | None,
    shape: Sequence[int],
    minimum_confidence: float = 0.0,
    class_ids: Sequence[int] | range | None = None,
) -> Detections:
    """The detections of `MaskRCNN.detect`, checked and sorted; empty masks are left out.

    Args:
        result: rois, class_ids, scores and masks, and perhaps soft_masks; None for no detection.
        shape: (height, width, ...) of the image.
        minimum_confidence: lower scores are left out.
        class_ids: the classes to keep; None for all.

    Raises:
        DatasetError: masks of another size than the image, or arrays of unequal length.
    """
    height, width = (int(n) for n in shape[:2])
    if result is None:
        none, empty = np.zeros(0), np.zeros((height, width, 0))
        result = {"class_ids": none, "scores": none, "rois": none, "masks": empty}
    ids = np.asarray(result["class_ids"], np.int32).reshape(-1)
    masks = np.asarray(result["masks"]).astype(bool, copy=False)
    scores = np.asarray(result["scores"], np.float32).reshape(-1)
    if masks.shape != (height, width, len(ids)) or len(scores) != len(ids):
        raise DatasetError(
            "masks, class ids and scores do not fit together, or not the image",
            expected=f"masks of shape [{height}, {width}, N], N class ids, N scores",
            found=f"masks of shape {list(masks.shape)}, {len(ids)} class ids, {len(scores)} scores",
        )
    rois = np.asarray(result["rois"], np.int32).reshape(-1, 4)
    soft = result.get("soft_masks")
    found = Detections(ids, scores, rois, masks, None if soft is None else np.asarray(soft))
    # Each mask is contiguous in memory, as `MaskRCNN.detect` gives them.
    pixels = np.moveaxis(masks, -1, 0).reshape(len(ids), height * width)
    kept = (scores >= minimum_confidence) & pixels.any(axis=1)
    if class_ids is not None:
        kept &= np.isin(ids, list(class_ids))
    order = np.flatnonzero(kept)
    return found.chosen(order[np.argsort(-scores[order], kind="stable")])


def dress_persons(result: Mapping[str, Any], person: int) -> dict[str, Any]:
    """Add the pixels of garments to the masks of the persons who wear them.

    A network is surer where a hem or a bag ends than where the person does.

    Args:
        result: as `MaskRCNN.detect` gives it, garments and persons.
        person: class id of persons; what has another one is a garment.

    Returns:
        The result with larger masks of persons.
    """
    is_person = result["class_ids"] == person
    persons = np.flatnonzero(is_person)
    garments = np.flatnonzero(~is_person & (result["scores"] >= WORN))
    if not len(persons) or not len(garments):
        return dict(result)
    masks = np.array(np.moveaxis(result["masks"], -1, 0))
    shares = shares_inside(result["rois"][garments], result["rois"][persons])
    for garment, share in zip(garments, shares, strict=True):
        if share.max() >= ON_PERSON:
            masks[persons[share.argmax()]] |= masks[garment]
    return {**result, "masks": np.moveaxis(masks, 0, -1)}


def wearers(garments: Detections, persons: Detections) -> np.ndarray:
    """The person on whom most of each garment's pixels are: int32 [garments], -1 for nobody."""
    if not len(persons) or not len(garments):
        return np.full(len(garments), -1, np.int32)
    common = _flat(garments).T @ _flat(persons)
    return np.where(common.max(axis=1) > 0, common.argmax(axis=1), -1).astype(np.int32)


def _flat(instances: Detections) -> np.ndarray:
    # As floats, because NumPy multiplies their matrices with BLAS.
    # Every n-th pixel is enough to see who wears what.
    step = max(1, max(instances.masks.shape[:2]) // 512)
    seen = instances.masks[::step, ::step]
    return seen.reshape(-1, len(instances)).astype(np.float32)


def chosen_wearers(
    garments: Detections, persons: Detections, person: str
) -> tuple[Detections, Detections, np.ndarray]:
    """Garments and persons that are to be parsed, and who wears what (see `wearers`).

    With `person` "largest" only the person with the most pixels is kept, and garments on others are
    dropped; those on nobody are kept, because a bag may hang beside its owner.
    """
    worn_by = wearers(garments, persons)
    if person == "each" or len(persons) < 2:
        return garments, persons, worn_by
    largest = int(persons.masks.sum(axis=(0, 1)).argmax())
    kept = (worn_by == largest) | (worn_by < 0)
    worn_by = np.where(worn_by[kept] == largest, 0, -1).astype(np.int32)
    return garments.chosen(kept), persons.chosen(np.array([largest])), worn_by


@dataclass(frozen=True)
class ClassScores:
    """Evidence at each pixel of an image, for the classes that were found on it.

    Attributes:
        class_ids: int [C], ascending.
        support: float32 [C, H, W]: the greatest product of an instance's score and its mask's
            probability.
        foreground: float32 [H, W], 0 to 1: the masks' greatest probability of a garment. Scores do
            not matter here: they are about the class, not the outline.
        labels: uint8 [H, W], the pixel-level labels; 0 the background.
    """

    class_ids: np.ndarray
    support: np.ndarray
    foreground: np.ndarray
    labels: np.ndarray


def scores_of_labels(labels: np.ndarray) -> ClassScores:
    """Finished labels, uint8 [H, W], as certain evidence."""
    labels = np.asarray(labels).astype(np.uint8, copy=False)
    class_ids = np.flatnonzero(np.bincount(labels.ravel(), minlength=1)[1:]) + 1
    support = (labels[None] == class_ids[:, None, None]).astype(np.float32)
    return ClassScores(class_ids, support, (labels > 0).astype(np.float32), labels)


def scores_of_instances(garments: Detections, on_top: frozenset[int] = frozenset()) -> ClassScores:
    """Evidence and pixel-level labels (`labels_of_instances`) of detected garments.

    Soft masks are used where the detector gave them; otherwise a mask is certain within its pixels.
    """
    height, width = garments.masks.shape[:2]
    class_ids = np.unique(garments.class_ids)
    support = np.zeros((len(class_ids), height, width), np.float32)
    foreground = np.zeros((height, width), np.float32)
    rows = np.searchsorted(class_ids, garments.class_ids)
    for index, row in enumerate(rows):
        box, probability = _probability(garments, index)
        weighted = probability * garments.scores[index]
        np.maximum(support[row][box], weighted, out=support[row][box])
        np.maximum(foreground[box], probability, out=foreground[box])
    return ClassScores(class_ids, support, foreground, labels_of_instances(garments, on_top))


def labels_of_instances(garments: Detections, on_top: frozenset[int] = frozenset()) -> np.ndarray:
    """The pixel-level labels of detected garments, uint8 [H, W].

    A pixel belongs to the class with the greatest support among the masks that contain it, but
    classes in `on_top` win over all others: a belt is small beside the trousers under it.
    """
    labels = np.zeros(garments.masks.shape[:2], np.uint8)
    best = np.zeros(labels.shape, np.float32)
    for index, class_id in enumerate(garments.class_ids.tolist()):
        box, probability = _probability(garments, index)
        rank = probability * garments.scores[index] + np.float32(2 * (class_id in on_top))
        wins = garments.masks[..., index][box] & (rank > best[box])
        labels[box][wins] = class_id
        np.copyto(best[box], rank, where=wins)
    return labels


def _probability(garments: Detections, index: int) -> tuple[tuple[slice, slice], np.ndarray]:
    """Where an instance is, as slices, and its probability there, float32 [h, w]."""
    mask = garments.masks[..., index]
    if garments.soft_masks is None:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return box, mask[box].astype(np.float32)
    y1, x1, y2, x2 = (int(n) for n in garments.rois[index])
    box = np.s_[y1:y2, x1:x2]
    return box, box_probabilities(garments.soft_masks[index], (y2 - y1, x2 - x1))
