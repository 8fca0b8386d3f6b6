"""Detections kept in a file, so that they can be measured again without a network.

The file is JSON: `of` (what detected, and each picture's sha256) and `results`, rows of a COCO
results file with `image`, a file name, in place of the image id.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fashion.autolabel.report import file_digest
from fashion.dataset import FashionDataset
from fashion.json_files import read_json, write_json
from mrcnn.errors import DatasetError


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

        None where there is no such file, or it is of another model or of other pictures. It may
        have further pictures.
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
        """Write COCO results of these images; `DatasetError` where the file cannot be written."""
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
    """COCO results as `MaskRCNN.detect` gives them, less the boxes, image by image in that order.

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
