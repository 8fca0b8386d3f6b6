"""`FashionDataset`: an annotated folder as a `mrcnn` data set, with any class table.

It also holds what the `custom.py` modules of both stages offer users' scripts.
"""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from fashion.annotations.annotated import AnnotatedImage, Annotations
from fashion.annotations.instances import Instance, image_instances
from fashion.annotations.locating import (
    check_present,
    find_annotations,
    read_annotations,
    subset_folder,
)
from fashion.annotations.problems import Problem, problem_text, stop_at_first
from fashion.labels import ClassTable
from fashion.pictures.listing import image_size
from fashion.polygons.filling import polygons_to_crop
from mrcnn.data.dataset import Dataset
from mrcnn.errors import DatasetError, counted
from mrcnn.geometry.mini_masks import MaskCrop

SOURCE = "fashion"
REASONS_SHOWN = 3
MOST_MASK_BYTES = 8 << 30  # of one image: one byte per pixel and instance


class FashionDataset(Dataset):
    """Images with garments, labelled by any class table.

    `load` one or more folders, then `prepare`. Each `image_info` holds `width`, `height` (pixels,
    upright as shown on a screen, which is what annotations refer to) and `instances`
    (`fashion.annotations.instances.Instance`). Class numbers are the table's. It can be pickled and
    sent to worker processes. `problems` are the regions that were left out, `left_out` the images
    without any instance.
    """

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[Problem] = []
        self.left_out: list[str] = []
        self.table: ClassTable | None = None

    def load(
        self,
        folder: str | os.PathLike[str],
        subset: str,
        table: ClassTable,
        *,
        strict: bool = False,
        instances_of: Collection[str] | None = None,
        keep_empty: bool = False,
    ) -> "FashionDataset":
        """Add the images of `folder/subset` (such as train or val) with their annotations.

        The annotations are `via_region_data.json` in that folder, or else the one other JSON file
        there, VIA or COCO. An empty `subset` is `folder` itself. `instances_of` keeps the
        instances of these classes only (names or aliases). Images without instances are left out
        and listed in `left_out` unless `keep_empty`. Bad regions and unknown labels are left out
        and listed in `problems`; with `strict` the first one raises. Sizes come from the
        annotations, or from the header of the image file; no image is decoded. Returns itself.

        Raises `DatasetError`: no such folder, no or several annotation files, broken JSON, missing
        images, a class name that is not in `table`, no instance at all.
        """
        self._check_table(table)
        wanted = None if instances_of is None else {table.id_of(name) for name in instances_of}
        root = subset_folder(folder, subset)
        path = find_annotations(root)
        annotations = read_annotations(path, strict=strict)
        check_present(annotations, root, path)
        problems, left_out = list(annotations.problems), []
        infos: list[dict[str, Any]] = []
        for image in annotations:
            info, found = _image_info(image, root / image.filename, table, wanted)
            problems += found
            if strict:
                stop_at_first(problems, path, "correct it, or load without strict")
            if not info["instances"] and not keep_empty:
                left_out.append(image.filename)
                continue
            infos.append(info)
        if not any(info["instances"] for info in infos):
            raise _nothing_found(path, annotations, problems, table, instances_of)
        self.add_classes(table)
        for info in infos:
            self.add_image(SOURCE, **info)
        self.problems += problems
        self.left_out += left_out
        return self

    def add_classes(self, table: ClassTable) -> None:
        """Register the classes of `table`, whose ids become the data set's class numbers.

        Raises `DatasetError` when the data set has other classes already.
        """
        self._check_table(table)
        self.table = table
        for row in table:
            self.add_class(SOURCE, row.id, row.name)

    def _check_table(self, table: ClassTable) -> None:
        rows = [{"source": SOURCE, "id": row.id, "name": row.name} for row in table]
        if self.table not in (None, table) or self.class_info[1:] not in ([], rows):
            raise DatasetError(
                "a data set has the classes of one class table",
                advice="load all its folders with the same, and register no others",
            )

    def summary(self) -> str:
        """Counts of images and instances, and what was left out, for a terminal or a log."""
        instances = sum(len(info["instances"]) for info in self.image_info)
        text = f"{counted(len(self.image_info), 'image')}, {counted(instances, 'instance')}"
        if self.left_out:
            text += f", {counted(len(self.left_out), 'image')} without instances left out"
        return text + problem_text(self.problems)

    def image_reference(self, image_id: int) -> str:
        """The path of an image."""
        return str(self.image_info[image_id]["path"])

    def load_image(self, image_id: int) -> np.ndarray:
        """The image, uint8 [height, width, 3] RGB, upright.

        Raises `DatasetError` when it cannot be read, or its size is not that of the annotations,
        whose outlines would then miss the garments.
        """
        image = super().load_image(image_id)
        info = self.image_info[image_id]
        if image.shape[:2] != (info["height"], info["width"]):
            raise DatasetError(
                f"it is {image.shape[1]} x {image.shape[0]} pixels, but its annotations say "
                f"{info['width']} x {info['height']}",
                path=info["path"],
                advice="use the images that were annotated",
            )
        return image

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Masks, bool [height, width, N], and class ids, int32 [N], of an image at its own size.

        One mask per instance: its parts united, its holes cut out, clipped to the image. A crowd
        has a negative class id. N may be 0. Raises `DatasetError` if the masks would take more
        than `MOST_MASK_BYTES`.
        """
        info = self.image_info[image_id]
        instances = info["instances"]
        if len(instances) * info["height"] * info["width"] > MOST_MASK_BYTES:
            raise DatasetError(
                f"it has {len(instances):,} instances on {info['width']} x {info['height']} "
                f"pixels, whose masks would take more than {MOST_MASK_BYTES >> 30} GB",
                path=info["path"],
                advice="make the image smaller, or cut it into several",
            )
        masks = np.zeros((len(instances), info["height"], info["width"]), dtype=bool)
        for mask, instance in zip(masks, instances, strict=True):
            crop, (top, left) = _crop(instance, info)
            mask[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
        return np.moveaxis(masks, 0, -1), _class_ids(instances)

    def load_mask_crops(self, image_id: int) -> tuple[list[MaskCrop], np.ndarray]:
        """The masks of `load_mask`, each within its polygons' extent, and the class ids, int32 [N].

        The loader uses these where it needs no full-size masks.
        """
        info = self.image_info[image_id]
        instances = info["instances"]
        found = (_crop(instance, info) for instance in instances)
        return [MaskCrop(mask, *corner) for mask, corner in found], _class_ids(instances)


def _class_ids(instances: list[Instance]) -> np.ndarray:
    ids = [-instance.class_id if instance.crowd else instance.class_id for instance in instances]
    return np.array(ids, dtype=np.int32)


def _image_info(
    image: AnnotatedImage, path: Path, table: ClassTable, wanted: set[int] | None
) -> tuple[dict[str, Any], list[Problem]]:
    """What `add_image` needs to know about an image, and the regions that were left out."""
    width, height = image.width, image.height
    problems: list[Problem] = []
    if width is None or height is None:
        width, height = image_size(path)
        problems = image.leave_out_outside(width, height)
    instances, unknown = image_instances(image, table)
    if wanted is not None:
        instances = [instance for instance in instances if instance.class_id in wanted]
    info = {
        "image_id": image.filename,
        "path": path,
        "width": width,
        "height": height,
        "instances": instances,
    }
    return info, problems + unknown


def _crop(instance: Instance, info: dict[str, Any]) -> tuple[np.ndarray, tuple[int, int]]:
    return polygons_to_crop(instance.parts, instance.holes, info["height"], info["width"])


def _nothing_found(
    path: Path,
    annotations: Annotations,
    problems: list[Problem],
    table: ClassTable,
    instances_of: Collection[str] | None,
) -> DatasetError:
    if not annotations.region_count and not problems:
        return DatasetError(
            f"it has no region in its {counted(len(annotations), 'image')}",
            path=path,
            advice="annotate them first",
        )
    if instances_of is not None and not problems:
        return DatasetError(f"it has no instance of {', '.join(instances_of)}", path=path)
    reasons = list(dict.fromkeys(problem.reason for problem in problems))
    shown = "; ".join(reasons[:REASONS_SHOWN]) + ("; .." if len(reasons) > REASONS_SHOWN else "")
    count = annotations.region_count or len(problems)
    return DatasetError(
        f"it has {counted(count, 'region')}, but none can be used ({problems[0].file}: {shown})",
        path=path,
        advice=f"the classes are {', '.join(table.names)}",
    )


class CustomDataset(FashionDataset):
    """A data set loaded with `load_custom`, as in scripts for Matterport's samples.

    Subclasses set `classes`.
    """

    classes: ClassTable

    def load_custom(self, dataset_dir: str | os.PathLike[str], subset: str) -> None:
        """Add the images of `dataset_dir/subset`; see `FashionDataset.load`. Then `prepare`."""
        self.load(dataset_dir, subset, self.classes)
