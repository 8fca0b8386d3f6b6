"""The figures of weights for photographs: garments' average precision, persons, automatic labels.

All come from one pass of detection at a low confidence, so that a confidence can be chosen
afterwards.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fashion.labels import PERSON
from mrcnn.evaluation.coco_ap import average_precision, detect_all, ground_truth

MATCHED = 0.5  # of intersection over union: the label is of this garment


@dataclass(frozen=True)
class LabelFigures:
    """How good the labels are if every garment detected from a confidence on becomes one.

    Attributes:
        confidence: the least score.
        precision: share of the labels that are right: those with the class of an instance whose
            mask they overlap by `MATCHED`, each the surest that does.
        recall: share of the instances that are labelled correctly.
        iou: mean overlap of right labels' masks with their instances'; 0 where there is none.
    """

    confidence: float
    precision: float
    recall: float
    iou: float


@dataclass(frozen=True)
class ScoreBin:
    """Detections of similar scores.

    Attributes:
        score: their mean score.
        precision: the share that is right, see `LabelFigures`.
        detections: how many there are.
    """

    score: float
    precision: float
    detections: int


def detect_for_figures(dataset, detect: Callable[[np.ndarray], dict]) -> tuple[dict, list[dict]]:
    """A data set's truth and the detections on it, as COCO data and rows of a results file.

    Args:
        dataset: a prepared Dataset.
        detect: from an RGB picture to its result, as `MaskRCNN.detect` gives it; with a low
            confidence, such as .05.
    """
    return ground_truth(dataset), detect_all(dataset, detect)


def garment_figures(truth: Mapping[str, Any], results: Sequence[dict]) -> dict[str, Any]:
    """COCO's figures over the garments only: `average_precision` without persons."""
    categories = [row for row in truth["categories"] if row["name"] != PERSON]
    ids = {row["id"] for row in categories}
    garments = {
        **truth,
        "categories": categories,
        "annotations": [row for row in truth["annotations"] if row["category_id"] in ids],
    }
    return average_precision(garments, [row for row in results if row["category_id"] in ids])


def person_iou(truth: Mapping[str, Any], results: Sequence[dict]) -> float:
    """Mean IoU of a person's mask with the surest detected person's, over photographs with one.

    0 for a photograph in which none is found; NaN where no photograph has a person.
    """
    (person,) = (row["id"] for row in truth["categories"] if row["name"] == PERSON)
    best: dict[int, dict] = {}
    for row in results:
        if row["category_id"] == person:
            image = row["image_id"]
            best[image] = max(best.get(image, row), row, key=lambda r: r["score"])
    rows = [row for row in truth["annotations"] if row["category_id"] == person]
    overlaps = [_overlaps([best[r["image_id"]]], [r])[0, 0] if r["image_id"] in best else 0.0
                for r in rows]  # fmt: skip
    return float(np.mean(overlaps)) if overlaps else float("nan")


def label_figures(
    truth: Mapping[str, Any], results: Sequence[dict], confidences: Iterable[float]
) -> list[LabelFigures]:
    """What labelling every garment above each confidence would give.

    A detection counts as one label, and as right where its class and instance are; each instance
    goes to the surest detection.
    """
    scores, overlaps, instances = _matches(truth, results)
    figures = []
    for confidence in confidences:
        taken = overlaps[scores >= confidence]
        right = taken[taken > 0]
        figures.append(
            LabelFigures(
                confidence=float(confidence),
                precision=len(right) / max(len(taken), 1),
                recall=len(right) / max(instances, 1),
                iou=float(right.mean()) if len(right) else 0.0,
            )
        )
    return figures


def calibration(
    truth: Mapping[str, Any], results: Sequence[dict], edges: Sequence[float]
) -> list[ScoreBin]:
    """How often garments detected with a score between two `edges` are right."""
    scores, overlaps, _ = _matches(truth, results)
    bins = []
    for low, high in itertools.pairwise(edges):
        within = (scores >= low) & (scores < high)
        if within.any():
            right = float((overlaps[within] > 0).mean())
            bins.append(ScoreBin(float(scores[within].mean()), right, int(within.sum())))
    return bins


def calibration_error(bins: Sequence[ScoreBin]) -> float:
    """Mean difference of score and precision, bins weighted by detections; NaN without any."""
    count = sum(each.detections for each in bins)
    if not count:
        return float("nan")
    return sum(abs(b.score - b.precision) * b.detections for b in bins) / count


def _matches(
    truth: Mapping[str, Any], results: Sequence[dict]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Scores of all garments detected, what each overlaps (0 if wrong), the number of instances.

    As COCO matches: the surest first, each takes the instance of its class that it overlaps most.
    """
    names = {row["id"]: row["name"] for row in truth["categories"]}
    garments = [row for row in truth["annotations"] if names[row["category_id"]] != PERSON]
    free: dict[tuple, list[dict]] = {}
    for row in garments:
        free.setdefault((row["image_id"], row["category_id"]), []).append(row)
    detected = [row for row in results if names[row["category_id"]] != PERSON]
    scores, overlaps = [], []
    for row in sorted(detected, key=lambda r: -r["score"]):
        rows = free.get((row["image_id"], row["category_id"]), [])
        best, overlap = None, 0.0
        if rows:
            found = _overlaps([row], rows)[0]
            best, overlap = int(np.argmax(found)), float(found.max())
        if best is not None and overlap >= MATCHED:
            rows.pop(best)
        scores.append(row["score"])
        overlaps.append(overlap if overlap >= MATCHED else 0.0)
    return np.array(scores), np.array(overlaps), len(garments)


def _overlaps(detected: Sequence[dict], instances: Sequence[dict]) -> np.ndarray:
    """IoU of masks, [detections, instances]."""
    from pycocotools import mask as coco_mask

    sides = [[row["segmentation"] for row in rows] for rows in (detected, instances)]
    return np.asarray(coco_mask.iou(*sides, [0] * len(instances)))


def summary(truth: Mapping[str, Any], results: Sequence[dict], confidence: float) -> dict[str, Any]:
    """The figures that are published: garments, by class, persons, labels at a confidence."""
    garments = garment_figures(truth, results)
    (labels,) = label_figures(truth, results, [confidence])
    classes = {
        name: {"box_AP50": row["AP50"], "mask_AP50": garments["segm"]["per_class"][name]["AP50"],
               "mask_AP": garments["segm"]["per_class"][name]["AP"], "instances": row["instances"]}
        for name, row in garments["bbox"]["per_class"].items()
    }  # fmt: skip
    return {
        "box_AP50": garments["bbox"]["AP50"],
        "mask_AP50": garments["segm"]["AP50"],
        "mask_AP": garments["segm"]["AP"],
        "person_mask_IoU": person_iou(truth, results),
        "labels": asdict(labels),
        "classes": classes,
    }
