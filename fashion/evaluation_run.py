"""What an evaluation measures: detections by a model, by an earlier run, or in a results file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fashion.autolabel.report import file_digest
from fashion.dataset import FashionDataset
from fashion.detection_files import DetectionFile, results_by_image
from fashion.result_files import Numbering, ResultRows, read_results
from fashion.stages import models
from fashion.stages.models import ModelChoice, WeightFile
from mrcnn.evaluation.coco_ap import KINDS, average_precision, detect_all
from mrcnn.evaluation.image_ap import mean_image_average_precision
from mrcnn.evaluation.matches import confusion_matrix

if TYPE_CHECKING:
    from mrcnn.inference.test_time_augmentation import Augmentation

IOU = 0.5


def rows_from_file(
    path: Path, numbering: Numbering, image_ids: Sequence[int], least_score: float | None
) -> ResultRows:
    """The rows of a results file for these images; prints how many were left out.

    Raises:
        DatasetError: the file cannot be read, or a row cannot be used.
    """
    found = read_results(path, numbering, image_ids)
    rows = [row for row in found.rows if least_score is None or row["score"] >= least_score]
    text = f"Detections: {len(rows)}, taken from {path}"
    if found.left_out:
        text += f"; {found.left_out} of other images left out"
    if len(rows) < len(found.rows):
        text += f"; {len(found.rows) - len(rows)} scored lower left out"
    print(text)
    return ResultRows(rows, found.left_out)


@dataclass(frozen=True)
class DetectionRun:
    """What detects in an evaluation.

    Attributes:
        choice: the model, its weights described (`fashion.stages.models.inference_weights`).
        weights: the same weights.
        augmentation: test-time augmentation, if any.
        kept: a file of detections, read where it is of the same model and pictures, else written.
    """

    choice: ModelChoice
    weights: WeightFile
    augmentation: "Augmentation | None" = None
    kept: Path | None = None

    def identity(self) -> dict[str, Any]:
        """What determines the detections, as JSON values."""
        choice = self.choice
        values: dict[str, Any] = {
            "weights": file_digest(self.weights.path),
            "preset": models.preset_of(self.weights, choice.preset),
            "precision": choice.precision,
            "min_confidence": choice.min_confidence,
        }
        # Only where they are set, so that files written before they existed remain valid.
        if self.augmentation:
            values["tta"] = str(self.augmentation)
        if choice.resize_mode:
            values["resize_mode"] = choice.resize_mode
        return values


def detected_rows(
    run: DetectionRun, dataset: FashionDataset, image_ids: Sequence[int]
) -> list[dict[str, Any]]:
    """COCO results of these images: from the kept file where it has them, else detected."""
    kept = DetectionFile(run.kept, run.identity()) if run.kept else None
    if kept:
        results = kept.read(dataset, image_ids)
        if results is not None:
            print(f"Detections: taken from {kept.path}")
            return results
    results = _detect(run, dataset, image_ids)
    if kept:
        kept.write(dataset, image_ids, results)
    return results


def _detect(
    run: DetectionRun, dataset: FashionDataset, image_ids: Sequence[int]
) -> list[dict[str, Any]]:
    from tqdm import tqdm

    detector = models.inference_model(run.choice)
    detect: Callable[[Sequence[np.ndarray]], list[dict[str, Any]]] = detector.detect
    if run.augmentation:
        from mrcnn.inference.test_time_augmentation import AugmentedDetector

        passes = run.augmentation.passes
        print(f"Test-time augmentation: {run.augmentation}, {passes} passes an image")
        detect = AugmentedDetector.of_model(detector, run.augmentation).detect
    return detect_all(
        dataset,
        lambda image: detect([image])[0],
        image_ids,
        lambda ids: tqdm(ids, unit="image", desc="detecting"),
    )


def measure_figures(
    dataset: FashionDataset,
    image_ids: Sequence[int],
    truth: Mapping[str, Any],
    rows: list[dict[str, Any]],
    numbering: Numbering,
    *,
    masks: bool = True,
) -> dict[str, Any]:
    """COCO's figures of rows with the data set's ids; with masks Matterport's measure, `image_ap`.

    truth: of `mrcnn.evaluation.coco_ap.ground_truth` for the same images.
    """
    kinds = KINDS if masks else KINDS[:1]
    figures = average_precision(numbering.truth(truth), numbering.rows(rows), kinds)
    if masks:
        found = results_by_image(rows, dataset, image_ids)
        measured = mean_image_average_precision(_truth_of(dataset, image_ids), found, IOU)
        figures["image_ap"] = measured.to_dict()
    return figures


def confusion(
    dataset: FashionDataset, image_ids: Sequence[int], rows: list[dict[str, Any]], score: float
) -> dict[str, Any]:
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


def _truth_of(dataset: FashionDataset, image_ids: Sequence[int]) -> Iterator[dict[str, np.ndarray]]:
    return (dict(zip(("masks", "class_ids"), dataset.load_mask(i), strict=True)) for i in image_ids)
