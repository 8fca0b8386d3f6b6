"""Photographs with their instances, read from a data set, changed, and written as another one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fashion.dataset import FashionDataset
from fashion.json_files import write_json
from fashion.labels import PERSON, PHOTO_TABLE
from fashion.photo.data import ANNOTATIONS
from mrcnn.evaluation.coco_ap import outline_of

JPEG_QUALITY = 92


@dataclass
class Worn:
    """A photograph and what is worn on it.

    Attributes:
        image: uint8 [height, width, 3], RGB.
        names: the instances' class names; one is the person.
        masks: bool [height, width] for each.
    """

    image: np.ndarray
    names: list[str]
    masks: list[np.ndarray]

    @property
    def person(self) -> int:
        """Index of the person's instance."""
        return self.names.index(PERSON)


def read_worn(dataset: FashionDataset, image_id: int) -> Worn:
    """A photograph of a data set of the photo classes."""
    masks, class_ids = dataset.load_mask(image_id)
    names = [PHOTO_TABLE.name_of(abs(class_id)) for class_id in class_ids.tolist()]
    return Worn(dataset.load_image(image_id), names, list(np.moveaxis(masks, -1, 0)))


class WornWriter:
    """Writes a data set folder: photographs and, at the end, their COCO file.

    Args:
        folder: made if it is missing.
        kind: begins the photographs' names.
    """

    def __init__(self, folder: Path, kind: str):
        categories = [{"id": row.id, "name": row.name} for row in PHOTO_TABLE]
        self.folder, self.kind = folder, kind
        self.data: dict[str, Any] = {"info": {}, "images": [], "annotations": []}
        self.data["categories"] = categories
        folder.mkdir(parents=True, exist_ok=True)

    def __len__(self) -> int:
        return len(self.data["images"])

    def add(self, worn: Worn) -> None:
        """Write a photograph as JPEG, and note it and its instances."""
        number = len(self) + 1
        name = f"{self.kind}_{number:05d}.jpg"
        settings = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        _, encoded = cv2.imencode(".jpg", worn.image[..., ::-1], settings)
        (self.folder / name).write_bytes(encoded.tobytes())
        height, width = worn.image.shape[:2]
        self.data["images"].append(
            {"id": number, "file_name": name, "width": width, "height": height}
        )
        for of, mask in zip(worn.names, worn.masks, strict=True):
            entry = {"id": len(self.data["annotations"]) + 1, "image_id": number, "iscrowd": 0}
            entry["category_id"] = PHOTO_TABLE.id_of(of)
            self.data["annotations"].append(entry | outline_of(mask))

    def finish(self) -> None:
        """Write the COCO file."""
        write_json(self.folder / ANNOTATIONS, self.data)
