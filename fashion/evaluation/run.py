"""What an evaluation measures: detections by a model, by an earlier run, or in a results file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fashion.dataset import FashionDataset
from fashion.evaluation.results import Numbering, ResultRows, read_results
from fashion.json_files import file_digest
from fashion.stages import models
from fashion.stages.models import ModelChoice, WeightFile
from mrcnn.evaluation.coco_ap import KINDS, average_precision, detect_all
from mrcnn.evaluation.image_ap import mean_image_average_precision
from mrcnn.evaluation.matches import confusion_matrix

if TYPE_CHECKING:
    from mrcnn.inference.test_time_augmentation import Augmentation
from collections.abc import Iterable

from fashion.json_files import read_json, write_json
from mrcnn.errors import DatasetError, counted

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
    """The model of an evaluation, and its detections.

    Attributes:
        choice: the model, its weights described (`fashion.stages.models.inference_weights`).
        weights: the same weights.
        augmentation: test-time augmentation, if any.
        kept: a file of detections: read if it is of the same model and pictures, else written.
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
        # Only if they are set, so that files written before they existed remain valid.
        if self.augmentation:
            values["tta"] = str(self.augmentation)
        if choice.resize_mode:
            values["resize_mode"] = choice.resize_mode
        return values


def detected_rows(
    run: DetectionRun, dataset: FashionDataset, image_ids: Sequence[int]
) -> list[dict[str, Any]]:
    """COCO results of these images: from the kept file if it has them, else detected."""
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

    detect: Callable[[Sequence[np.ndarray]], list[dict[str, Any]]]
    if not run.augmentation:
        detect = models.detection_model(run.choice).detect
    else:
        from mrcnn.inference.test_time_augmentation import AugmentedDetector

        passes = counted(run.augmentation.passes, "pass", "passes")
        print(f"Test-time augmentation: {run.augmentation}, {passes} an image")
        model = models.inference_model(run.choice)
        detect = AugmentedDetector.of_model(model, run.augmentation).detect
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


class DetectionFile:
    """The detections of one model on pictures of a data set.

    Args:
        path: the file.
        model: what detects, as JSON values; detections made with other values are not read.
    """

    def __init__(self, path: Path, model: dict[str, Any]) -> None:
        self.path, self.model = path, model

    def read(
        self, dataset: FashionDataset, image_ids: Iterable[int]
    ) -> list[dict[str, Any]] | None:
        """COCO results of these images, with the data set's `image_id`.

        None if there is no such file, or it is of another model or of other pictures. It may
        have more pictures.
        """
        try:
            data = read_json(self.path)
            model, digests = data["of"]["model"], data["of"]["images"]
            rows = data["results"]
        except (DatasetError, KeyError, TypeError):
            return None
        wanted = _digests(dataset, image_ids)
        if model != self.model or any(digests.get(n) != digest for n, digest in wanted.items()):
            return None
        ids = {name: int(i) for i, name in _names(dataset, image_ids)}
        return [
            {**{k: v for k, v in row.items() if k != "image"}, "image_id": ids[row["image"]]}
            for row in rows
            if row["image"] in ids
        ]

    def write(
        self,
        dataset: FashionDataset,
        image_ids: Iterable[int],
        results: Iterable[Mapping[str, Any]],
    ) -> None:
        """Write COCO results of these images; `DatasetError` if the file cannot be written."""
        names = {int(i): name for i, name in _names(dataset, image_ids)}
        rows = [
            {"image": names[row["image_id"]], **{k: v for k, v in row.items() if k != "image_id"}}
            for row in results
        ]
        head = {"model": self.model, "images": _digests(dataset, image_ids)}
        write_json(self.path, {"of": head, "results": rows})


def results_by_image(
    results: Iterable[Mapping[str, Any]], dataset: FashionDataset, image_ids: Iterable[int]
) -> Iterator[dict[str, np.ndarray]]:
    """COCO results as `MaskRCNN.detect` gives them, without boxes, image by image in that order.

    Each has `class_ids` int32 [N], `scores` float32 [N] and `masks` bool [height, width, N].
    """
    from pycocotools import mask as coco_mask

    rows_of: dict[int, list[Mapping[str, Any]]] = {}
    for row in results:
        rows_of.setdefault(row["image_id"], []).append(row)
    for image_id in image_ids:
        rows = rows_of.get(int(image_id), [])
        info = dataset.image_info[image_id]
        masks = np.zeros((info["height"], info["width"], 0), dtype=bool)
        if rows:
            masks = coco_mask.decode([row["segmentation"] for row in rows]).astype(bool)
        yield {
            "class_ids": np.array([row["category_id"] for row in rows], dtype=np.int32),
            "scores": np.array([row["score"] for row in rows], dtype=np.float32),
            "masks": masks,
        }


def _names(dataset: FashionDataset, image_ids: Iterable[int]) -> list[tuple[int, str]]:
    return [(i, str(dataset.image_info[i]["id"])) for i in image_ids]


def _digests(dataset: FashionDataset, image_ids: Iterable[int]) -> dict[str, str]:
    paths = {name: Path(dataset.image_info[i]["path"]) for i, name in _names(dataset, image_ids)}
    return {name: file_digest(path) for name, path in paths.items()}
