"""Matterport's measure of a data set: the mean over images of `compute_ap`.

It differs from COCO's AP50 (`mrcnn.coco_evaluation`). COCO ranks the detections of one class over
the whole data set and takes the mean over classes; here each image ranks its own detections, all
classes together, and all images weigh the same. So frequent classes weigh more, and scores need not
be comparable between images.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from mrcnn.evaluate import compute_ap


@dataclass(frozen=True)
class ImageAveragePrecision:
    """The mean of `compute_ap` over images, and how many images it covers.

    Attributes:
        mean_image_ap: 0 to 1; -1 if no image has an instance.
        iou: least mask IoU of a match.
        images: images with an instance, over which the mean is taken.
        images_without_truth: the other images, which are left out.
        images_without_truth_but_detections: those of them with detections. `compute_ap` is NaN
            there: every detection is wrong, but this measure does not notice.
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

    As in Matterport's `load_image_gt`, crowds and instances without a pixel are left out, so that a
    detection of a crowd counts as wrong here.

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
    # compute_ap reads boxes only to find padding rows, of which there are none here.
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
