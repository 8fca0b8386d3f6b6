"""How the detections of a data set match its ground truth, in one pass over encoded masks.

Images are processed one at a time and masks stay run-length encoded: memory grows with the number
of detections, not with the image sizes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mrcnn.geometry.boxes import compute_overlaps_masks

RIGHT, WRONG, IGNORED = 1, 0, -1
# A detection counts as right at each of these IoUs separately.
THRESHOLDS = (0.5, 0.75)
# Per class and image, as in COCO.
MOST_DETECTIONS = 100
Row = Mapping[str, Any]


class Overlaps(NamedTuple):
    """One image's instances and detections, and how much they overlap.

    Attributes:
        true_rows: int [N], indices of the instances among the annotations, without crowds.
        true_ids: int [N], their classes.
        found_ids: int [M], the classes of the detections; scores: float [M].
        ious: float64 [N, M], of the masks.
        crowd_ids: int [K]; crowd_shares: float64 [K, M], the fraction of each detection in each
            crowd.
    """

    true_rows: np.ndarray
    true_ids: np.ndarray
    found_ids: np.ndarray
    scores: np.ndarray
    ious: np.ndarray
    crowd_ids: np.ndarray
    crowd_shares: np.ndarray


class ImageQuality(NamedTuple):
    """How well the confident detections of one image match its ground truth.

    Attributes:
        image_id: of the ground truth.
        quality: the panoptic quality over all classes together, the sum of the right detections'
            IoUs / (right + wrong / 2 + missed / 2): 1 is perfect; None if there were neither
            instances nor detections.
        right: number of detections that match an instance of their class.
        wrong: number of other detections; missed: number of other instances.
        mean_iou: of the right ones; None if there are none.
    """

    image_id: int
    quality: float | None
    right: int
    wrong: int
    missed: int
    mean_iou: float | None


class Matches(NamedTuple):
    """A data set's detections, judged as in COCO; the confident ones are matched to instances.

    Attributes:
        class_ids: int [D]; scores: float64 [D], of all detections.
        verdicts: int8 [D, len(THRESHOLDS)]: RIGHT, WRONG or IGNORED (in a crowd, or too many).
        instances: int64 [num_classes], how many there are of each class, without crowds.
        confusion: int64 [num_classes, num_classes], see `confusion_matrix`.
        ious: float64 [P], the IoU of each instance with the confident detection of its class paired
            with it, however small; instances that no such detection touches are left out.
        images: one per image.
        score, iou: the minimum score of a confident detection, and the minimum IoU of a match.
    """

    class_ids: np.ndarray
    scores: np.ndarray
    verdicts: np.ndarray
    instances: np.ndarray
    confusion: np.ndarray
    ious: np.ndarray
    images: list[ImageQuality]
    score: float
    iou: float


def match_dataset(
    truth: Mapping[str, Any],
    results: Iterable[Row],
    num_classes: int,
    score: float = 0.5,
    iou: float = 0.5,
) -> Matches:
    """Judge and match all detections.

    Args:
        truth: a COCO dictionary with run-length masks, as from `coco_ap.ground_truth`.
        results: rows of a COCO results file with run-length masks; may be empty. Rows of images
            that are not in `truth` are skipped.
        num_classes: background included; category ids are 1 to `num_classes` - 1.
        score, iou: thresholds for the confusion matrix, the IoUs and the images. Detections of all
            scores are judged.
    """
    class_ids, scores, verdicts, ious = [], [], [], []
    instances = np.zeros(num_classes, dtype=np.int64)
    confusion = np.zeros((num_classes, num_classes), dtype=np.int64)
    images = []
    for image_id, true_rows, found_rows in rows_by_image(truth, results):
        image = overlaps_of(true_rows, found_rows)
        np.add.at(instances, image.true_ids, 1)
        class_ids.append(image.found_ids)
        scores.append(image.scores)
        verdicts.append(np.stack([judge(image, each) for each in THRESHOLDS], axis=1))
        pairs, alone = match_sure(image, score, iou)
        _count(confusion, image, pairs, alone)
        images.append(_quality(image_id, image, pairs, alone))
        ious += _touching(image, score)
    return Matches(
        np.concatenate([*class_ids, np.zeros(0, dtype=int)]),
        np.concatenate([*scores, np.zeros(0)]),
        np.concatenate([*verdicts, np.zeros((0, len(THRESHOLDS)), dtype=np.int8)]),
        instances,
        confusion,
        np.array(ious, dtype=float),
        images,
        score,
        iou,
    )


def rows_by_image(
    truth: Mapping[str, Any], results: Iterable[Row]
) -> Iterator[tuple[int, list[Row], list[Row]]]:
    """Image id, annotations and detections of each image in the truth, by ascending id."""
    of_truth: dict[int, list[Row]] = {image["id"]: [] for image in truth["images"]}
    of_found: dict[int, list[Row]] = {image_id: [] for image_id in of_truth}
    for rows, groups in ((truth["annotations"], of_truth), (results, of_found)):
        for row in rows:
            if row["image_id"] in groups:
                groups[row["image_id"]].append(row)
    for image_id in sorted(of_truth):
        yield image_id, of_truth[image_id], of_found[image_id]


def overlaps_of(true_rows: Sequence[Row], found_rows: Sequence[Row]) -> Overlaps:
    """How much one image's annotations and detections overlap; see `Overlaps`."""
    crowd = np.array([bool(row.get("iscrowd")) for row in true_rows], dtype=bool)
    ids = np.array([row["category_id"] for row in true_rows], dtype=int)
    return Overlaps(
        np.flatnonzero(~crowd),
        ids[~crowd],
        np.array([row["category_id"] for row in found_rows], dtype=int),
        np.array([row["score"] for row in found_rows], dtype=float),
        _cover(true_rows, found_rows, np.flatnonzero(~crowd), crowds=False),
        ids[crowd],
        _cover(true_rows, found_rows, np.flatnonzero(crowd), crowds=True),
    )


def _cover(true_rows, found_rows, chosen: np.ndarray, *, crowds: bool) -> np.ndarray:
    from pycocotools import mask as coco_mask

    if not len(chosen) or not found_rows:
        return np.zeros((len(chosen), len(found_rows)))
    found = [row["segmentation"] for row in found_rows]
    true = [true_rows[index]["segmentation"] for index in chosen]
    return np.asarray(coco_mask.iou(found, true, [int(crowds)] * len(true))).T


def judge(image: Overlaps, threshold: float) -> np.ndarray:
    """COCO's verdict on each detection of an image: int8 [M] of RIGHT, WRONG and IGNORED.

    Within a class, by descending score, each is matched to the unmatched instance that it overlaps
    most, if their IoU is at least `threshold`.
    """
    verdicts = np.full(len(image.found_ids), IGNORED, dtype=np.int8)
    for class_id in np.unique(image.found_ids):
        columns = np.flatnonzero(image.found_ids == class_id)
        order = columns[np.argsort(-image.scores[columns], kind="stable")][:MOST_DETECTIONS]
        ious = image.ious[image.true_ids == class_id]
        crowds = image.crowd_shares[image.crowd_ids == class_id]
        free = np.ones(len(ious), dtype=bool)
        for column in order:
            left = np.where(free, ious[:, column], -1.0)
            if left.max(initial=-1.0) >= threshold:
                # Of equal IoUs, pycocotools picks the last.
                free[len(left) - 1 - left[::-1].argmax()] = False
                verdicts[column] = RIGHT
            elif crowds[:, column].max(initial=0.0) < threshold:
                verdicts[column] = WRONG
    return verdicts


def match_sure(
    image: Overlaps, score: float, iou: float
) -> tuple[list[tuple[int, int]], np.ndarray]:
    """The matches of `confusion_matrix` in one image.

    Returns:
        Pairs of indices of instances and detections, whose classes may differ; and the indices of
        the detections that match nothing and are not in a crowd.
    """
    sure = np.flatnonzero(image.scores >= score)
    pairs = match_instances(image.ious[:, sure], image.true_ids, image.found_ids[sure], iou)
    pairs = [(row, int(sure[column])) for row, column in pairs]
    alone = np.setdiff1d(sure, [column for _, column in pairs])
    in_crowd = image.crowd_shares[:, alone].max(axis=0, initial=0.0)
    return pairs, alone[(in_crowd < iou) | (in_crowd == 0)]


def _count(confusion: np.ndarray, image: Overlaps, pairs, alone: np.ndarray) -> None:
    for row, column in pairs:
        confusion[image.true_ids[row], image.found_ids[column]] += 1
    missed = np.setdiff1d(np.arange(len(image.true_ids)), [row for row, _ in pairs])
    np.add.at(confusion, (image.true_ids[missed], BACKGROUND), 1)
    np.add.at(confusion, (BACKGROUND, image.found_ids[alone]), 1)


def _quality(image_id: int, image: Overlaps, pairs, alone: np.ndarray) -> ImageQuality:
    same = [pair for pair in pairs if image.true_ids[pair[0]] == image.found_ids[pair[1]]]
    right = len(same)
    wrong = len(pairs) - right + len(alone)
    missed = len(image.true_ids) - right
    total = sum(float(image.ious[pair]) for pair in same)
    weight = right + (wrong + missed) / 2
    quality = total / weight if weight else None
    return ImageQuality(image_id, quality, right, wrong, missed, total / right if right else None)


def _touching(image: Overlaps, score: float) -> list[float]:
    """IoUs of the instances and the confident detections of their class, matched by any overlap."""
    sure = np.flatnonzero(image.scores >= score)
    ious, found_ids = image.ious[:, sure], image.found_ids[sure]
    pairs = match_instances(ious, image.true_ids, found_ids, 0.0)
    return [float(ious[r, c]) for r, c in pairs if image.true_ids[r] == found_ids[c]]


BACKGROUND = 0


def confusion_matrix(
    truth: Iterable[Mapping[str, np.ndarray]],
    found: Iterable[Mapping[str, np.ndarray]],
    num_classes: int,
    iou: float = 0.5,
    score: float = 0.5,
) -> np.ndarray:
    """Count the instances of each true class (rows) by the class they were found as (columns).

    Each detection is matched to at most one true instance of its image by mask IoU, highest first:
    first within classes, so that the diagonal counts what precision and recall count, then the rest
    across classes. Row 0 counts detections that match nothing, column 0 missed instances; [0, 0]
    stays 0.

    Args:
        truth: one mapping per image: `class_ids` int [N], `masks` bool [height, width, N]. A
            negative class id is a crowd: it is not counted, nor are detections within it.
        found: the same for the same images, plus `scores` float [N], as from `MaskRCNN.detect`.
        num_classes: background included; class ids are 1 to `num_classes` - 1.
        iou: minimum mask IoU of a match.
        score: detections below it are ignored.

    Returns:
        int64 [num_classes, num_classes].

    Raises:
        ValueError: the numbers of results and images differ.
    """
    matrix = np.zeros((num_classes, num_classes), dtype=np.int64)
    for image, result in zip(truth, found, strict=True):
        _count_image(matrix, image, result, iou, score)
    return matrix


def _count_image(matrix, image, result, iou, score) -> None:
    sure = np.asarray(result["scores"]) >= score
    found_ids = np.asarray(result["class_ids"], dtype=int)[sure]
    found_masks = np.asarray(result["masks"])[..., sure]
    ids = np.asarray(image["class_ids"], dtype=int)
    masks, crowds = image["masks"][..., ids > 0], image["masks"][..., ids < 0]
    ids = ids[ids > 0]
    pairs = match_instances(compute_overlaps_masks(masks, found_masks), ids, found_ids, iou)
    for row, column in pairs:
        matrix[ids[row], found_ids[column]] += 1
    missed = np.setdiff1d(np.arange(len(ids)), [row for row, _ in pairs])
    np.add.at(matrix, (ids[missed], BACKGROUND), 1)
    unmatched = np.setdiff1d(np.arange(len(found_ids)), [column for _, column in pairs])
    alone = [i for i in unmatched if not _within(found_masks[..., i], crowds, iou)]
    np.add.at(matrix, (BACKGROUND, found_ids[alone]), 1)


def match_instances(
    overlaps: np.ndarray, true_ids: np.ndarray, found_ids: np.ndarray, iou: float
) -> list[tuple[int, int]]:
    """Pairs (row, column) of instances that match; see `confusion_matrix`.

    overlaps: float [truth, found] IoUs. true_ids, found_ids: the classes of its rows and columns.
    """
    rows, columns = np.nonzero((overlaps >= iou) & (overlaps > 0))
    other_class = true_ids[rows] != found_ids[columns]
    free_rows, free_columns, pairs = set(rows), set(columns), []
    for index in np.lexsort((columns, rows, -overlaps[rows, columns], other_class)):
        row, column = int(rows[index]), int(columns[index])
        if row in free_rows and column in free_columns:
            free_rows.remove(row)
            free_columns.remove(column)
            pairs.append((row, column))
    return pairs


def _within(mask: np.ndarray, crowds: np.ndarray, share: float) -> bool:
    """Whether at least this fraction of the mask is inside one crowd."""
    inside = (mask[..., None] & crowds).sum(axis=(0, 1))
    return bool(inside.size) and bool(inside.max() >= max(1, share * mask.sum()))
