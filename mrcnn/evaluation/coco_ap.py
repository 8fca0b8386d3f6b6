"""COCO average precision of boxes and masks, by pycocotools, for any Dataset.

The twelve figures are those of https://cocodataset.org/#detection-eval. Matterport's per-image
`compute_ap` is a different metric: see `mrcnn.evaluation.image_ap`.
"""

import types
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from mrcnn.data.dataset import Dataset
from mrcnn.data.instances import load_instances
from mrcnn.geometry.boxes import extract_bboxes
from mrcnn.system.background import read_ahead

FIGURES = (
    "AP",
    "AP50",
    "AP75",
    "AP_small",
    "AP_medium",
    "AP_large",
    "AR_1",
    "AR_10",
    "AR_100",
    "AR_small",
    "AR_medium",
    "AR_large",
)
KINDS = ("bbox", "segm")
# By the area of the true mask in pixels, both ends included: as in pycocotools, an instance of
# exactly 1024 pixels is both small and medium.
SIZES = {"small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e5**2)}


def encode_mask(mask: np.ndarray) -> dict:
    """A bool mask `[height, width]` as COCO run-lengths: {"size": [h, w], "counts": str}."""
    from pycocotools import mask as coco_mask

    encoded = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(n) for n in encoded["size"]], "counts": encoded["counts"].decode("ascii")}


def outline_of(mask: np.ndarray) -> dict:
    """A bool mask `[height, width]` as the outline of a COCO annotation.

    Returns:
        `segmentation` (see `encode_mask`), `bbox` [x, y, width, height] and `area`, in pixels.
    """
    y1, x1, y2, x2 = extract_bboxes(mask[:, :, None])[0].tolist()
    box = [x1, y1, x2 - x1, y2 - y1]
    return {"segmentation": encode_mask(mask), "bbox": box, "area": int(np.count_nonzero(mask))}


def _coco_box(box: Sequence[float]) -> list[float]:
    y1, x1, y2, x2 = (float(value) for value in box)
    return [x1, y1, x2 - x1, y2 - y1]


def ground_truth(dataset: Dataset, image_ids: Iterable[int] | None = None) -> dict:
    """A data set's ground truth as a COCO dictionary; image ids are those of the data set.

    Instances with empty masks are left out, as in training.

    Args:
        dataset: a prepared Dataset.
        image_ids: all by default.
    """
    images: list[dict] = []
    annotations: list[dict] = []
    for image_id in dataset.image_ids if image_ids is None else image_ids:
        masks, class_ids = load_instances(dataset, image_id)
        height, width = masks.shape[:2]
        images.append({"id": int(image_id), "height": height, "width": width})
        boxes = extract_bboxes(masks)
        for index, class_id in enumerate(class_ids):
            if not boxes[index].any():
                continue
            segmentation = encode_mask(masks[:, :, index])
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": int(image_id),
                    "category_id": abs(int(class_id)),
                    "iscrowd": int(class_id < 0),
                    "area": int(masks[:, :, index].sum()),
                    "bbox": _coco_box(boxes[index]),
                    "segmentation": segmentation,
                }
            )
    categories = [
        {"id": int(class_id), "name": name}
        for class_id, name in zip(dataset.class_ids, dataset.class_names, strict=True)
        if class_id > 0
    ]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}


def results_of(image_id: int, result: dict) -> list[dict]:
    """One image's detections from `MaskRCNN.detect` as rows of a COCO results file."""
    return [
        {
            "image_id": int(image_id),
            "category_id": int(result["class_ids"][index]),
            "score": float(result["scores"][index]),
            "bbox": _coco_box(result["rois"][index]),
            "segmentation": encode_mask(result["masks"][:, :, index]),
        }
        for index in range(len(result["class_ids"]))
    ]


def detect_all(
    dataset: Dataset,
    detect: Callable[[np.ndarray], dict],
    image_ids: Iterable[int] | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
) -> list[dict]:
    """COCO results for a whole data set.

    While `detect` runs, threads load the next images and encode the masks of the previous ones.

    Args:
        dataset: a prepared Dataset.
        detect: from an image, uint8 RGB [height, width, 3], to a result like `MaskRCNN.detect`'s.
        image_ids: all by default.
        progress: wraps the image ids, such as tqdm.
    """
    ids = progress(list(dataset.image_ids if image_ids is None else image_ids))
    images = read_ahead(dataset.load_image, ids, workers=2, ahead=4)
    found = ((image_id, detect(image)) for image_id, image in images)
    encoded = read_ahead(lambda item: results_of(*item), found, workers=1, ahead=3)
    return [row for _, rows in encoded for row in rows]


def average_precision(truth: dict, results: list[dict], kinds: Sequence[str] = KINDS) -> dict:
    """COCO's figures for boxes and masks.

    Args:
        truth: a COCO dictionary, as returned by `ground_truth`.
        results: rows of a COCO results file, for images in `truth`; may be empty. Each needs
            `bbox` for the kind 'bbox' and `segmentation` (run-lengths) for the kind 'segm'.
        kinds: what to evaluate; ('bbox',) for rows without masks.

    Returns:
        For each kind a dictionary of the twelve `FIGURES`, and under 'per_class' a dictionary by
        class name: AP, AP50, AP75, AP_small, AP_medium, AP_large, AR_100 (recall of the 100
        top-scoring detections per image, averaged over the ten IoU thresholds), recall_50 (the same
        at IoU .5 alone) and the counts `instances` (without crowds), `instances_small`,
        `instances_medium`, `instances_large` (see `SIZES`) and `detections`. As in pycocotools, a
        figure without any ground truth is -1.
    """
    counts = _counts(truth, results)
    return {kind: _figures(truth, results, kind, counts) for kind in kinds}


def _figures(truth: dict, results: list[dict], kind: str, counts: dict[int, dict]) -> dict:
    from pycocotools.cocoeval import COCOeval

    coco = _coco(truth)
    evaluation = COCOeval(coco, _coco_of_results(coco, results, kind), kind)
    for step in (COCOeval.evaluate, COCOeval.accumulate, COCOeval.summarize):
        _quiet(step)(evaluation)
    figures: dict[str, Any] = dict(zip(FIGURES, (float(x) for x in evaluation.stats), strict=True))
    names = {c["id"]: c["name"] for c in truth["categories"]}
    figures["per_class"] = {
        names[class_id]: _class_figures(evaluation, index) | counts[class_id]
        for index, class_id in enumerate(evaluation.params.catIds)
    }
    return figures


def _class_figures(evaluation, index: int) -> dict[str, float]:
    # precision: [IoU thresholds, recalls, classes, area ranges, detection limits], recall likewise
    # without the second; the thresholds are .5, .55, ... .95, the first area range is all.
    precision = evaluation.eval["precision"][:, :, index, :, -1]
    recall = evaluation.eval["recall"][:, index, 0, -1]
    sizes = {f"AP_{name}": _mean(precision[:, :, 1 + i]) for i, name in enumerate(SIZES)}
    return {
        "AP": _mean(precision[:, :, 0]),
        "AP50": _mean(precision[0, :, 0]),
        "AP75": _mean(precision[5, :, 0]),
        **sizes,
        "AR_100": _mean(recall),
        "recall_50": _mean(recall[:1]),
    }


def _counts(truth: dict, results: list[dict]) -> dict[int, dict]:
    """How many instances and detections each class has, by class id."""
    areas: dict[int, list[float]] = {category["id"]: [] for category in truth["categories"]}
    for row in truth["annotations"]:
        if not row.get("iscrowd") and row["category_id"] in areas:
            areas[row["category_id"]].append(row["area"])
    detections = Counter(row["category_id"] for row in results)
    return {
        class_id: {
            "instances": len(own),
            **{
                f"instances_{name}": sum(low <= area <= high for area in own)
                for name, (low, high) in SIZES.items()
            },
            "detections": detections[class_id],
        }
        for class_id, own in areas.items()
    }


def _quiet(method: Any) -> Callable[..., Any]:
    """A method of pycocotools that prints nothing.

    pycocotools has no option for that, and redirecting standard output would silence every thread.
    """
    silent = {**method.__globals__, "print": lambda *text: None}
    return types.FunctionType(method.__code__, silent, method.__name__, method.__defaults__)


def _coco(data: dict) -> Any:
    """A pycocotools COCO object from a copy of a COCO dictionary."""
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = {**data, "annotations": [dict(row) for row in data["annotations"]]}
    _quiet(COCO.createIndex)(coco)
    return coco


def _coco_of_results(coco: Any, results: list[dict], kind: str) -> Any:
    """Like `coco.loadRes`, which prints and cannot load an empty list."""
    from pycocotools import mask as coco_mask

    unknown = {row["image_id"] for row in results} - set(coco.imgs)
    if unknown:
        raise ValueError(f"There are results of images that are not in the truth: {unknown}.")
    annotations = []
    for number, row in enumerate(results, 1):
        own = {**row, "id": number, "iscrowd": 0}
        if kind == "bbox":
            own["area"] = row["bbox"][2] * row["bbox"][3]
        else:
            # The mask's area, even if the row has a box: it determines the size class.
            own["area"] = coco_mask.area(row["segmentation"])
            own["bbox"] = coco_mask.toBbox(row["segmentation"])
        annotations.append(own)
    return _coco({**coco.dataset, "annotations": annotations})


def _mean(values: np.ndarray) -> float:
    measured = values[values > -1]
    return float(measured.mean()) if measured.size else -1.0
