"""Everything in an evaluation report, as numbers, and the same for JSON."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from fashion.dataset import FashionDataset
from fashion.labels import SEASONS, parse_file_name
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
from mrcnn.evaluation.matches import BACKGROUND, THRESHOLDS, ImageQuality, Matches, match_dataset


@dataclass(frozen=True)
class EvaluationNumbers:
    """One model on one data set.

    Attributes:
        names: of the classes 1 to n; colours: "#rrggbb" by name.
        files: file name by image id.
        figures: of `mrcnn.evaluation.coco_ap.average_precision`.
        matches: all detections, judged.
        curves: by IoU, one curve per class in the order of `names`; pooled: by IoU.
        calibration, ious: see `mrcnn.evaluation.curves`.
        seasons: see `season_confusion`; None if labels have no season.
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
        """The confusion matrix as `fashion.html.charts.confusion_table` needs it."""
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
    """All numbers from a truth and its detections; see `fashion.evaluation.report.write_report`."""
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
    """All numbers as plain lists and dictionaries; null if there is nothing to measure by.

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


NO_SEASON = "no season"
# Columns of `by_label` after the seasons.
OTHER_GARMENT, MISSED = "another garment", "missed"


def split_label(label: str) -> tuple[str, str]:
    """Garment and season of a label; `split_label("bag_yaz") == ("bag", "yaz")`."""
    parsed = parse_file_name(label)
    return (label, NO_SEASON) if isinstance(parsed, str) else parsed


def season_confusion(labels: Sequence[str], matrix: np.ndarray) -> dict[str, Any]:
    """What a confusion matrix of season labels says about garments and seasons, as JSON values.

    Args:
        labels: of the classes 1 to n, without the background.
        matrix: int [n + 1, n + 1], rows are the truth and 0 is the background, as from
            `mrcnn.evaluation.matches.confusion_matrix`.

    Returns:
        `garments` and `seasons`: each `labels` (first "background") and `matrix`, of garments
        whatever their season and the reverse. `by_label`: `labels` of the true instances,
        `columns` (seasons, then another garment and missed) and `matrix` [n, columns]: which
        season was found where the garment was right. `counts`: `both_right`,
        `garment_right_season_wrong`, `season_right_garment_wrong`, `both_wrong`, `missed`,
        `false`. `pairs`: [true label, label found, count] of the right garments in a wrong
        season, the most frequent first.
    """
    matrix = np.asarray(matrix)
    parts = [split_label(label) for label in labels]
    garments = list(dict.fromkeys(garment for garment, _ in parts))
    present = {season for _, season in parts}
    seasons = [season for season in (*SEASONS, NO_SEASON) if season in present]
    garment_of = np.array([0, *(1 + garments.index(garment) for garment, _ in parts)])
    season_of = np.array([0, *(1 + seasons.index(season) for _, season in parts)])
    return {
        "garments": _summed(matrix, garment_of, garments),
        "seasons": _summed(matrix, season_of, seasons),
        "by_label": _by_label(matrix, garment_of, season_of, list(labels), seasons),
        "counts": _counts(matrix, garment_of, season_of),
        "pairs": _pairs(matrix, garment_of, season_of, labels),
    }


def _summed(matrix: np.ndarray, group_of: np.ndarray, names: list[str]) -> dict[str, Any]:
    """The matrix with the rows and columns of each group added up."""
    member = np.zeros((len(names) + 1, len(group_of)), dtype=np.int64)
    member[group_of, np.arange(len(group_of))] = 1
    return {"labels": ["background", *names], "matrix": (member @ matrix @ member.T).tolist()}


def _by_label(
    matrix: np.ndarray,
    garment_of: np.ndarray,
    season_of: np.ndarray,
    labels: list[str],
    seasons: list[str],
) -> dict[str, Any]:
    right_garment = garment_of[:, None] == garment_of
    rows = np.zeros((len(labels), len(seasons) + 2), dtype=np.int64)
    for row in range(1, len(labels) + 1):
        found = np.flatnonzero(right_garment[row] & (garment_of > 0))
        np.add.at(rows[row - 1], season_of[found] - 1, matrix[row, found])
        other = np.flatnonzero(~right_garment[row] & (garment_of > 0))
        rows[row - 1, -2:] = matrix[row, other].sum(), matrix[row, BACKGROUND]
    columns = [*seasons, OTHER_GARMENT, MISSED]
    return {"labels": labels, "columns": columns, "matrix": rows.tolist()}


def _counts(matrix: np.ndarray, garment_of: np.ndarray, season_of: np.ndarray) -> dict[str, int]:
    matched = matrix[1:, 1:]
    garment = garment_of[1:, None] == garment_of[1:]
    season = season_of[1:, None] == season_of[1:]
    return {
        "both_right": int(matched[garment & season].sum()),
        "garment_right_season_wrong": int(matched[garment & ~season].sum()),
        "season_right_garment_wrong": int(matched[~garment & season].sum()),
        "both_wrong": int(matched[~garment & ~season].sum()),
        "missed": int(matrix[1:, BACKGROUND].sum()),
        "false": int(matrix[BACKGROUND, 1:].sum()),
    }


def _pairs(
    matrix: np.ndarray, garment_of: np.ndarray, season_of: np.ndarray, labels: Sequence[str]
) -> list[list[Any]]:
    wrong_season = (garment_of[:, None] == garment_of) & (season_of[:, None] != season_of)
    rows, columns = np.nonzero(np.where(wrong_season, matrix, 0))
    found = [
        [labels[r - 1], labels[c - 1], int(matrix[r, c])]
        for r, c in zip(rows, columns, strict=True)
    ]
    return sorted(found, key=lambda pair: -pair[2])
