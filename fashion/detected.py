"""The detections of one image as arrays of one length, and who wears what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mrcnn.errors import DatasetError

PERSON = 1  # COCO's class id


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
        class_ids: the classes that are kept; None for all.

    Raises:
        DatasetError: masks that do not lie on the image, or arrays of unequal length.
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
    kept = (scores >= minimum_confidence) & masks.any(axis=(0, 1))
    if class_ids is not None:
        kept &= np.isin(ids, list(class_ids))
    order = np.flatnonzero(kept)
    return found.chosen(order[np.argsort(-scores[order], kind="stable")])


def wearers(garments: Detections, persons: Detections) -> np.ndarray:
    """The person on whom most of each garment's pixels lie: int32 [garments], -1 for nobody."""
    if not len(persons) or not len(garments):
        return np.full(len(garments), -1, np.int32)
    common = _flat(garments).T @ _flat(persons)
    return np.where(common.max(axis=1) > 0, common.argmax(axis=1), -1).astype(np.int32)


def _flat(instances: Detections) -> np.ndarray:
    # As floats, because NumPy multiplies their matrices with BLAS.
    return instances.masks.reshape(-1, len(instances)).astype(np.float32)


def chosen_wearers(
    garments: Detections, persons: Detections, person: str
) -> tuple[Detections, Detections, np.ndarray]:
    """Garments and persons that are to be parsed, and who wears what (see `wearers`).

    With `person` "largest" only the person of most pixels is kept, and garments on others are
    dropped; those on nobody are kept, because a bag may hang beside its owner.
    """
    worn_by = wearers(garments, persons)
    if person == "each" or len(persons) < 2:
        return garments, persons, worn_by
    largest = int(persons.masks.sum(axis=(0, 1)).argmax())
    kept = (worn_by == largest) | (worn_by < 0)
    worn_by = np.where(worn_by[kept] == largest, 0, -1).astype(np.int32)
    return garments.chosen(kept), persons.chosen(np.array([largest])), worn_by
