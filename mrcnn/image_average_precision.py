"""Matterport's measure of a data set: `compute_ap` of each image, and the mean of that.

It is not COCO's AP50, and usually another number. COCO ranks the detections of one class over the
whole data set and takes the mean over classes; here each image ranks its own detections, all
classes together, and all images weigh the same. A common class thus weighs more, and a score need
not mean the same from image to image. See `mrcnn.coco_evaluation` for COCO's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from mrcnn.evaluate import compute_ap


@dataclass(frozen=True)
class ImageAveragePrecision:
    """The mean of `compute_ap` over images, and which images it is of.

    Attributes:
        mean_image_ap: 0 to 1; -1 where no image has an instance.
        iou: least mask IoU of a match.
        images: how many the mean is of: those with an instance.
        images_without_truth: those without, which are no part of it.
        images_without_truth_but_detections: the ones of them with detections. `compute_ap` is NaN
            for these: all that was found there is wrong, and this measure does not see it.
    """

    mean_image_ap: float
    iou: float
    images: int
    images_without_truth: int
    images_without_truth_but_detections: int

    def to_dict(self) -> dict[str, float | int]:
        """All attributes by name."""
        return asdict(self)


def mean_image_average_precision(
    truth: Iterable[Mapping[str, np.ndarray]],
    found: Iterable[Mapping[str, np.ndarray]],
    iou: float = 0.5,
) -> ImageAveragePrecision:
    """Mean of Matterport's `compute_ap` over the images with an instance.

    Crowds and instances without a pixel are no truth, as in Matterport's `load_image_gt`; what is
    found on a crowd therefore counts as wrong here.

    Args:
        truth: one mapping an image: `class_ids` int [N], `masks` bool [height, width, N]. A
            negative class id is a crowd.
        found: the same for the same images, with `scores` float [N] besides, as
            `MaskRCNN.detect` gives them.
        iou: least mask IoU of a match.

    Raises:
        ValueError: not as many results as images.
    """
    precisions, without_truth, wrong = [], 0, 0
    for image, result in zip(truth, found, strict=True):
        precision = _one_image(image, result, iou)
        if precision is None:
            without_truth += 1
            wrong += bool(len(result["class_ids"]))
        else:
            precisions.append(precision)
    mean = float(np.mean(precisions)) if precisions else -1.0
    return ImageAveragePrecision(mean, iou, len(precisions), without_truth, wrong)


def _one_image(image: Mapping, result: Mapping, iou: float) -> float | None:
    ids, masks = np.asarray(image["class_ids"]), np.asarray(image["masks"])
    true = (ids > 0) & masks.any(axis=(0, 1))
    if not true.any():
        return None
    # compute_ap reads the boxes only to see which rows are padding: none of these is.
    true_boxes, found_boxes = (np.ones((n, 4)) for n in (true.sum(), len(result["class_ids"])))
    return compute_ap(
        true_boxes,
        ids[true],
        masks[..., true],
        found_boxes,
        np.asarray(result["class_ids"]),
        np.asarray(result["scores"]),
        np.asarray(result["masks"]),
        iou,
    )[0]
