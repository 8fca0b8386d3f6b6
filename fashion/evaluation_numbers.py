"""Everything in an evaluation report, as numbers, and the same for JSON."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from fashion.dataset import FashionDataset
from fashion.season_confusion import season_confusion
from mrcnn.evaluation.curves import (
    RECALLS,
    Calibration,
    Curve,
    IouHistogram,
    calibration,
    class_curve,
    iou_histogram,
    pooled_curve,
)
from mrcnn.evaluation.matches import THRESHOLDS, ImageQuality, Matches, match_dataset


@dataclass(frozen=True)
class EvaluationNumbers:
    """One model on one data set.

    Attributes:
        names: of the classes 1 to n; colours: "#rrggbb" by name.
        files: file name by image id.
        figures: of `mrcnn.evaluation.coco_ap.average_precision`.
        matches: all detections, judged.
        curves: by IoU, a curve each class in the order of `names`; pooled: by IoU.
        calibration, ious: see `mrcnn.evaluation.curves`.
        seasons: of `season_confusion`; None where labels have no season.
    """

    names: list[str]
    colours: dict[str, str]
    files: dict[int, str]
    figures: Mapping[str, Any]
    matches: Matches
    curves: dict[float, list[Curve]]
    pooled: dict[float, Curve]
    calibration: Calibration
    ious: IouHistogram
    seasons: dict[str, Any] | None

    @property
    def confusion(self) -> dict[str, Any]:
        """The confusion matrix as `fashion.html.charts.confusion_table` takes it."""
        matches = self.matches
        return {
            "labels": ["background", *self.names],
            "matrix": matches.confusion.tolist(),
            "iou": matches.iou,
            "score": matches.score,
            "images": len(matches.images),
            "instances": int(matches.instances.sum()),
        }


def evaluation_numbers(
    dataset: FashionDataset,
    image_ids: Iterable[int],
    truth: Mapping[str, Any],
    results: Iterable[Mapping[str, Any]],
    figures: Mapping[str, Any],
    score: float,
    seasons: bool,
) -> EvaluationNumbers:
    """Everything from a truth and its detections; see `fashion.evaluation_report.write_report`."""
    matches = match_dataset(truth, results, dataset.num_classes, score)
    names = [str(name) for name in dataset.class_names[1:]]
    return EvaluationNumbers(
        names=names,
        colours={
            row.name: "#{:02x}{:02x}{:02x}".format(*row.colour) for row in dataset.table or ()
        },
        files={int(i): PurePath(str(dataset.image_info[i]["id"])).name for i in image_ids},
        figures=figures,
        matches=matches,
        curves={
            iou: [class_curve(matches, number, iou) for number in range(1, len(names) + 1)]
            for iou in THRESHOLDS
        },
        pooled={iou: pooled_curve(matches, iou) for iou in THRESHOLDS},
        calibration=calibration(matches),
        ious=iou_histogram(matches),
        seasons=season_confusion(names, matches.confusion) if seasons else None,
    )


def to_json(numbers: EvaluationNumbers) -> dict[str, Any]:
    """All numbers as plain lists and dictionaries; null where there is nothing to measure by.

    COCO's own figures, under `figures`, keep -1 for that.
    """
    report = {
        "score": numbers.matches.score,
        "iou": numbers.matches.iou,
        "images": len(numbers.matches.images),
        "instances": int(numbers.matches.instances.sum()),
        "detections": len(numbers.matches.scores),
        "figures": numbers.figures,
        "confusion": numbers.confusion,
        "precision_recall": {
            "recall": [round(float(recall), 2) for recall in RECALLS],
            "all": {f"{iou:g}": _curve_json(curve) for iou, curve in numbers.pooled.items()},
            "per_class": {
                name: {
                    f"{iou:g}": _curve_json(curves[index]) for iou, curves in numbers.curves.items()
                }
                for index, name in enumerate(numbers.names)
            },
        },
        "calibration": _calibration_json(numbers.calibration),
        "iou_histogram": _ious_json(numbers.ious),
        "images_by_quality": [_image_json(numbers, image) for image in numbers.matches.images],
    }
    return report if numbers.seasons is None else report | {"seasons": numbers.seasons}


def _curve_json(curve: Curve) -> dict[str, Any]:
    return {
        "instances": curve.instances,
        "detections": curve.detections,
        "ap": curve.ap,
        "best": curve.best and curve.best._asdict(),
        "at_score": curve.at_score and curve.at_score._asdict(),
        "precision": _rounded(curve.precision),
        "scores": _rounded(curve.scores),
    }


def _calibration_json(found: Calibration) -> dict[str, Any]:
    bins = zip(
        found.edges[:-1], found.edges[1:], found.counts, found.mean_scores, found.shares_right,
        strict=True,
    )  # fmt: skip
    return {
        "error": found.error,
        "bias": found.bias,
        "bins": [
            {
                "from": round(float(low), 4),
                "to": round(float(high), 4),
                "detections": int(count),
                "mean_score": _known(score),
                "share_right": _known(share),
            }
            for low, high, count, score, share in bins
        ],
    }


def _ious_json(found: IouHistogram) -> dict[str, Any]:
    return {
        "edges": _rounded(found.edges),
        "counts": [int(count) for count in found.counts],
        "untouched": found.untouched,
        "mean_matched": found.mean_matched,
    }


def _image_json(numbers: EvaluationNumbers, image: ImageQuality) -> dict[str, Any]:
    row = image._asdict()
    return {"file": numbers.files.get(row.pop("image_id"), ""), **row}


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in values]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(np.float64(value))
