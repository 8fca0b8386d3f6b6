"""The base class of data sets: what classes and images there are, and how to load them.

Subclass it, register classes and images with `add_class` and `add_image`, override `load_mask`
(and `image_reference`), call `prepare`.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.errors import DatasetError
from mrcnn.geometry.mini_masks import MaskCrop
from mrcnn.images.reading import read_image


class Dataset:
    """Classes and images of one or more sources.

    A source names where annotations come from ("coco", "modanet"). Classes and images have an id
    within their source and a number within this data set. Class 0 is the background.
    `prepare` sets `num_classes`, `class_ids`, `class_names`, `num_images`, `image_ids`, `sources`,
    `source_class_ids` (source -> class numbers that its images can show, 0 included),
    `class_from_source_map` and `image_from_source_map` ("source.id" -> number).
    """

    def __init__(self, class_map: dict | None = None):
        # `class_map` is part of the legacy signature; nothing ever read it.
        self._image_ids = np.arange(0)
        self.image_info: list[dict[str, Any]] = []
        self.class_info: list[dict[str, Any]] = [{"source": "", "id": 0, "name": "BG"}]
        self.source_class_ids: dict[str, list[int]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Crops from a base class would contradict the masks of this class.
        if "load_mask" in vars(cls) and "load_mask_crops" not in vars(cls):
            setattr(cls, Dataset.load_mask_crops.__name__, Dataset.load_mask_crops)

    def add_class(self, source: str, class_id: int | str, class_name: str) -> None:
        """Register a class; a second one of the same source and id is ignored.

        Raises:
            DatasetError: the source's name contains a dot, which separates source and id.
        """
        if "." in source:
            raise DatasetError(
                f"the source name {source!r} has a dot", advice="choose a name without one"
            )
        for info in self.class_info:
            if info["source"] == source and info["id"] == class_id:
                return
        self.class_info.append({"source": source, "id": class_id, "name": class_name})

    def add_image(
        self, source: str, image_id: int | str, path: str | os.PathLike, **kwargs: Any
    ) -> None:
        """Register an image; everything, `kwargs` included, is kept in `image_info[number]`."""
        self.image_info.append({"id": image_id, "source": source, "path": path, **kwargs})

    def append_data(self, class_info: list[dict], image_info: list[dict]) -> None:
        """Register the classes and images of another data set, given as its two lists."""
        for info in class_info:
            if info["source"]:
                self.add_class(info["source"], info["id"], info["name"])
        self.image_info.extend(dict(info) for info in image_info)

    def image_reference(self, image_id: int) -> str:
        """A link or text that helps a person find the image; empty unless overridden."""
        return ""

    def prepare(self, class_map: dict | None = None) -> None:
        """Number classes and images. Call it once all are registered, and again after adding more.

        Args:
            class_map: part of the legacy signature, not used.
        """
        self.num_classes = len(self.class_info)
        self.class_ids = np.arange(self.num_classes)
        self.class_names = [_short_name(info["name"]) for info in self.class_info]
        self.num_images = len(self.image_info)
        self._image_ids = np.arange(self.num_images)
        self.class_from_source_map = _numbers_by_source(self.class_info)
        self.image_from_source_map = _numbers_by_source(self.image_info)
        self.sources = list(dict.fromkeys(info["source"] for info in self.class_info))
        self.source_class_ids = {
            source: [
                number
                for number, info in enumerate(self.class_info)
                if number == 0 or info["source"] == source
            ]
            for source in self.sources
        }

    def map_source_class_id(self, source_class_id: str) -> int:
        """The class number of a "source.id", such as "coco.12"."""
        return self.class_from_source_map[source_class_id]

    def get_source_class_id(self, class_id: int, source: str) -> int | str:
        """The id within `source` of a class number.

        Raises:
            DatasetError: the class belongs to another source.
        """
        info = self.class_info[class_id]
        if info["source"] != source:
            raise DatasetError(
                f"class {class_id} ({info['name']}) belongs to another source",
                expected=repr(source),
                found=repr(info["source"]),
            )
        return info["id"]

    @property
    def image_ids(self) -> np.ndarray:
        """Numbers of all images, 0 to num_images - 1; empty before `prepare`."""
        return self._image_ids

    def source_image_link(self, image_id: int) -> str | os.PathLike:
        """The path or URL of the image."""
        return self.image_info[image_id]["path"]

    def load_image(self, image_id: int) -> np.ndarray:
        """Read an image: uint8 [height, width, 3], RGB, upright; see `images.reading.read_image`.

        Raises:
            DatasetError: the file is missing or cannot be read.
        """
        return read_image(self.image_info[image_id]["path"])

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """The masks of an image's instances; override it, since this one returns none.

        Returns:
            masks: bool [height, width, instances]; here of shape (0, 0, 0).
            class_ids: int32 [instances], class numbers; a negative one marks a crowd.
        """
        return np.zeros((0, 0, 0), dtype=bool), np.zeros(0, dtype=np.int32)

    def load_mask_crops(self, image_id: int) -> tuple[Sequence[MaskCrop], np.ndarray] | None:
        """The masks of `load_mask`, each cropped around its pixels, and the class ids.

        Override it if the masks can be rasterised without arrays of the image's size: training with
        mini masks then uses these. None, the default, means that they cannot. A subclass that
        overrides only `load_mask` returns None again, whatever its base class does.
        """
        return None


def _short_name(name: str) -> str:
    """The first of several comma-separated names."""
    return name.split(",")[0]


def _numbers_by_source(infos: list[dict]) -> dict[str, int]:
    return {f"{info['source']}.{info['id']}": number for number, info in enumerate(infos)}
