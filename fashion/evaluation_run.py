"""What an evaluation measures: detections of a model, of an earlier run, or of a results file."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fashion import stages
from fashion.detection_files import DetectionFile, results_by_image
from fashion.label_report import file_digest
from fashion.result_files import Numbering, ResultRows, read_results
from mrcnn.coco_evaluation import KINDS, average_precision, detect_all
from mrcnn.confusion import confusion_matrix
from mrcnn.image_average_precision import mean_image_average_precision

IOU = 0.5


def rows_from_file(
    path: Path, numbering: Numbering, image_ids: Sequence[int], least_score: float | None
) -> ResultRows:
    """The rows of a results file for these images, and a printed line on what was left out."""
    found = read_results(path, numbering, image_ids)
    rows = [row for row in found.rows if least_score is None or row["score"] >= least_score]
    text = f"Detections: {len(rows)}, taken from {path}"
    if found.left_out:
        text += f"; {found.left_out} of other images left out"
    if len(rows) < len(found.rows):
        text += f"; {len(found.rows) - len(rows)} scored lower left out"
    print(text)
    return ResultRows(rows, found.left_out)


def detected_rows(
    options: argparse.Namespace, weights: Path, dataset, image_ids: Sequence[int]
) -> list[dict]:
    """COCO results of these images: out of --detections where they are there, else detected."""
    kept = None
    if options.detections:
        kept = DetectionFile(options.detections, _detected_with(options, weights))
        results = kept.read(dataset, image_ids)
        if results is not None:
            print(f"Detections: taken from {options.detections}")
            return results
    results = _detect(options, dataset, image_ids)
    if kept:
        kept.write(dataset, image_ids, results)
    return results


def _detected_with(options: argparse.Namespace, weights: Path) -> dict[str, Any]:
    of = {"weights": file_digest(weights), "preset": stages.preset_of(weights, options.preset)}
    of |= {"precision": options.precision, "min_confidence": options.min_confidence}
    # Only where there are any, so that files written without them stay what they are.
    others = {"tta": options.tta and str(options.tta), "resize_mode": options.resize_mode}
    return of | {name: value for name, value in others.items() if value}


def _detect(options: argparse.Namespace, dataset, image_ids: Sequence[int]) -> list[dict]:
    from tqdm import tqdm

    detector = stages.inference_model(options, options.stage)
    if options.tta:
        from mrcnn.test_time_augmentation import AugmentedDetector

        print(f"Test-time augmentation: {options.tta}, {options.tta.passes} passes an image")
        detector = AugmentedDetector.of_model(detector, options.tta)
    return detect_all(
        dataset,
        lambda image: detector.detect([image])[0],
        image_ids,
        lambda ids: tqdm(ids, unit="image", desc="detecting"),
    )


def measure(
    dataset,
    image_ids: Sequence[int],
    truth: Mapping[str, Any],
    rows: list[dict],
    numbering: Numbering,
    *,
    masks: bool = True,
) -> dict[str, Any]:
    """COCO's figures of rows with the data set's ids; with masks Matterport's measure, `image_ap`.

    truth: of `mrcnn.coco_evaluation.ground_truth` for the same images.
    """
    kinds = KINDS if masks else KINDS[:1]
    figures = average_precision(numbering.truth(truth), numbering.rows(rows), kinds)
    if masks:
        found = results_by_image(rows, dataset, image_ids)
        measured = mean_image_average_precision(_truth_of(dataset, image_ids), found, IOU)
        figures["image_ap"] = measured.to_dict()
    return figures


def confusion(dataset, image_ids: Sequence[int], rows: list[dict], score: float) -> dict[str, Any]:
    """The confusion matrix as JSON values: `labels`, `matrix` (rows: truth), `iou`, `score`."""
    matrix = confusion_matrix(
        _truth_of(dataset, image_ids),
        results_by_image(rows, dataset, image_ids),
        dataset.num_classes,
        IOU,
        score,
    )
    labels = ["background", *dataset.class_names[1:]]
    counts = {"images": len(image_ids), "instances": int(matrix[1:].sum())}
    return {"labels": labels, "matrix": matrix.tolist(), "iou": IOU, "score": score, **counts}


def _truth_of(dataset, image_ids: Sequence[int]):
    return (dict(zip(("masks", "class_ids"), dataset.load_mask(i), strict=True)) for i in image_ids)
