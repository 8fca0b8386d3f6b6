"""The data set both stages train on: a folder of images, VIA or COCO annotations beside them."""

import os
from collections.abc import Collection
from pathlib import Path

import numpy as np

from fashion import coco, via_read
from fashion.instances import Instance, image_instances
from fashion.json_files import read_json
from fashion.labels import ClassTable
from fashion.links import check_links
from fashion.polygons import polygons_to_box_mask, polygons_to_crop
from fashion.via_read import Problem, ViaFile, ViaImage, problem_text
from fashion.via_shapes import ShapeError, check_inside
from mrcnn.dataset import Dataset
from mrcnn.errors import DatasetError
from mrcnn.files import is_file
from mrcnn.image_files import opened, orientation
from mrcnn.mini_masks import MaskCrop, shrink_masks

ANNOTATION_FILE = "via_region_data.json"
SOURCE = "fashion"
IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"))
MOST_MASK_BYTES = 8 << 30  # of one image: a byte a pixel and instance
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257  # the tags' numbers
SHOWN = 5  # so many names stand in a message; the rest is counted


class FashionDataset(Dataset):
    """Images with garments, labelled by any class table.

    `load` one or more folders, then `prepare`. Each `image_info` holds `width`, `height` (pixels,
    upright as shown on a screen, which is what annotations refer to) and `instances`
    (`fashion.instances.Instance`). It can be pickled and sent to worker processes. `problems` are
    the regions that were left out, `left_out` the images without any instance.
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
        there, VIA or COCO. An empty `subset` takes `folder` itself. `instances_of` keeps the
        instances of these classes only (names or aliases). Images without instances are left out
        and listed in `left_out` unless `keep_empty`. Bad regions and unknown labels are left out
        and listed in `problems`; with `strict` the first one raises. Sizes come from the
        annotations, or from the head of the image file; no image is decoded. Returns itself.

        Raises `DatasetError` that says what to do: no such folder, no or several annotation
        files, broken JSON, images that are named but not there, a class name that is not in
        `table`, no instance at all.
        """
        if self.table is not None and self.table != table:
            raise DatasetError(
                "One data set takes one class table: load the folders with the same."
            )
        wanted = None if instances_of is None else {table.id_of(name) for name in instances_of}
        root = subset_folder(folder, subset)
        path = find_annotations(root)
        via = read_annotations(path, strict=strict)
        check_present(via, root, path)
        infos, problems, left_out = [], list(via.problems), []
        for image in via:
            info = _image_info(image, root, table, wanted)
            problems += info.pop("problems")
            if strict and problems:
                raise DatasetError(f"{path}: {problems[0]}. Correct it, or load without strict.")
            if not info["instances"] and not keep_empty:
                left_out.append(image.filename)
                continue
            infos.append(info)
        if not any(info["instances"] for info in infos):
            raise DatasetError(_nothing_found(path, via, problems, table, instances_of))
        self._add_classes(table)
        for info in infos:
            self.add_image(SOURCE, **info)
        self.problems += problems
        self.left_out += left_out
        return self

    def _add_classes(self, table: ClassTable) -> None:
        self.table = table
        for row in table:
            self.add_class(SOURCE, row.id, row.name)

    def summary(self) -> str:
        """Counts of images and instances, and what was left out, for a terminal or a log."""
        instances = sum(len(info["instances"]) for info in self.image_info)
        text = f"{len(self.image_info)} images, {instances} instances"
        if self.left_out:
            text += f", {len(self.left_out)} images without instances left out"
        return text + problem_text(self.problems)

    def image_reference(self, image_id: int) -> str:
        """The path of an image."""
        return str(self.image_info[image_id]["path"])

    def load_image(self, image_id: int) -> np.ndarray:
        """The image, uint8 [height, width, 3] RGB, upright.

        Raises `DatasetError` when it cannot be read, or is not of the annotations' size: their
        outlines would then lie beside the garments.
        """
        image = super().load_image(image_id)
        info = self.image_info[image_id]
        if image.shape[:2] != (info["height"], info["width"]):
            raise DatasetError(
                f"{info['path']} is {image.shape[1]} x {image.shape[0]} pixels, but its "
                f"annotations say {info['width']} x {info['height']}: use the images that were "
                "annotated."
            )
        return image

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Masks, bool [height, width, N], and class ids, int32 [N], of an image at its own size.

        One mask an instance: its parts united, its holes cut out, what leaves the image cut off.
        A crowd has a negative class id. N may be 0. Raises `DatasetError` where the masks would
        take more than `MOST_MASK_BYTES`.
        """
        info = self.image_info[image_id]
        instances = info["instances"]
        if len(instances) * info["height"] * info["width"] > MOST_MASK_BYTES:
            raise DatasetError(
                f"{info['path']} has {len(instances)} instances on {info['width']} x "
                f"{info['height']} pixels, whose masks would take more than "
                f"{MOST_MASK_BYTES >> 30} GB: make the image smaller, or cut it into several."
            )
        masks = np.zeros((len(instances), info["height"], info["width"]), dtype=bool)
        for mask, instance in zip(masks, instances, strict=True):
            crop, (top, left) = _crop(instance, info)
            mask[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
        return np.moveaxis(masks, 0, -1), self._class_ids(instances)

    def load_mask_crops(self, image_id: int) -> tuple[list[MaskCrop], np.ndarray]:
        """The masks of `load_mask`, each within its polygons' extent, and the class ids, int32 [N].

        The loader takes these where it needs no full-size masks.
        """
        info = self.image_info[image_id]
        instances = info["instances"]
        found = (_crop(instance, info) for instance in instances)
        return [MaskCrop(mask, *corner) for mask, corner in found], self._class_ids(instances)

    def load_mini_masks(
        self, image_id: int, mini_shape: tuple[int, int] = (56, 56)
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes, mini masks and class ids of an image, without building full-size masks.

        The same as `extract_bboxes` and `minimize_mask` give for `load_mask`, bit by bit, less the
        instances without a pixel: boxes int32 [N, 4] (y1, x1, y2, x2 in pixels of the unscaled
        image, y2 and x2 exclusive), masks bool [*mini_shape, N], class ids int32 [N].
        """
        info = self.image_info[image_id]
        crops, boxes, instances = [], [], []
        for instance in info["instances"]:
            crop, box = polygons_to_box_mask(
                instance.parts, instance.holes, info["height"], info["width"]
            )
            if crop.size:
                crops.append(crop)
                boxes.append(box)
                instances.append(instance)
        minis = np.moveaxis(shrink_masks(crops, mini_shape), 0, -1)
        boxes = np.array(boxes, dtype=np.int32).reshape(-1, 4)
        return boxes, minis, self._class_ids(instances)

    def _class_ids(self, instances: list[Instance]) -> np.ndarray:
        ids = [
            self.map_source_class_id(f"{SOURCE}.{instance.class_id}")
            * (-1 if instance.crowd else 1)
            for instance in instances
        ]
        return np.array(ids, dtype=np.int32)


def subset_folder(folder: str | os.PathLike[str], subset: str) -> Path:
    """The folder of one subset; `DatasetError` that says what is expected when it is not there."""
    root = Path(folder)
    layout = f"expected train/ and val/, each with images and {ANNOTATION_FILE}"
    if not root.is_dir():
        raise DatasetError(f"The dataset folder {root} does not exist: {layout}.")
    if subset and not (root / subset).is_dir():
        raise DatasetError(f"The dataset folder {root} has no folder {subset}: {layout}.")
    return root / subset


def find_annotations(folder: Path) -> Path:
    """The annotation file among the images of `folder`, VIA or COCO, not opened yet.

    `via_region_data.json` if it is there, else the only other JSON file (reports and class tables
    apart). Raises `DatasetError` when there is none, or several.
    """
    if (folder / ANNOTATION_FILE).is_file():
        return folder / ANNOTATION_FILE
    found = sorted(
        path
        for path in folder.glob("*.json")
        if not path.name.endswith(".report.json") and not path.name.startswith((".", "class"))
    )
    if len(found) == 1:
        return found[0]
    if found:
        raise DatasetError(
            f"{folder} has several JSON files ({_some([p.name for p in found])}): name the one "
            f"with the annotations {ANNOTATION_FILE}."
        )
    raise DatasetError(
        f"{folder} has no {ANNOTATION_FILE}: put the VIA annotations of its images there "
        "(tools/coco_to_via.py makes them of a COCO file), or a COCO file."
    )


def read_annotations(path: Path, *, strict: bool = False) -> ViaFile:
    """A VIA or COCO annotation file, whichever it is, as VIA data. Raises `DatasetError`."""
    data = read_json(path)
    if not coco.is_coco(data):
        return via_read.from_json(data, str(path), strict=strict)
    conversion = coco.to_via(data, str(path), strict=strict)
    via = via_read.from_json(conversion.data, str(path), strict=strict)
    via.problems = conversion.problems + via.problems
    return via


def check_present(via: ViaFile, folder: Path, path: Path) -> None:
    """Raise `DatasetError` that lists the images `via` names but `folder` does not hold.

    And for links that lead out of the folder, see `fashion.links`.
    """
    check_links((image.filename for image in via), folder)
    missing = [image.filename for image in via if not is_file(folder / image.filename)]
    if missing:
        raise DatasetError(
            f"{path} names {len(missing)} of {len(via)} images that are not in {folder}: "
            f"{_some(missing)}. Put them there, or take them out of the annotations."
        )


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Width and height of an image file as it is shown (EXIF orientation taken in).

    Only the head of the file is read. Raises `DatasetError` when it is no readable image, or one
    of more than `mrcnn.image_files.MAX_PIXELS`.
    """
    with opened(path) as image:
        width, height = image.size
        # Orientations 5 to 8 lie on their side.
        turned = orientation(image) >= 5 and image.size == _size_as_stored(image)
    return (height, width) if turned else (width, height)


def _size_as_stored(image) -> tuple[int, int]:
    # Of a TIFF newer versions of Pillow give the upright size.
    if image.format == "TIFF":
        return image.tag_v2[_TIFF_WIDTH], image.tag_v2[_TIFF_HEIGHT]
    return image.size


def _image_info(image: ViaImage, root: Path, table: ClassTable, wanted: set[int] | None) -> dict:
    path = root / image.filename
    width, height = image.width, image.height
    problems: list[Problem] = []
    if width is None or height is None:
        width, height = image_size(path)
        for region in list(image.regions):
            try:
                check_inside(region.points, width, height)
            except ShapeError as error:
                problems.append(Problem(image.filename, region.number, str(error)))
                image.regions.remove(region)
    instances, unknown = image_instances(image, table)
    if wanted is not None:
        instances = [instance for instance in instances if instance.class_id in wanted]
    return {
        "image_id": image.filename,
        "path": path,
        "width": width,
        "height": height,
        "instances": instances,
        "problems": problems + unknown,
    }


def _crop(instance: Instance, info: dict) -> tuple[np.ndarray, tuple[int, int]]:
    return polygons_to_crop(instance.parts, instance.holes, info["height"], info["width"])


def _nothing_found(path, via, problems, table, instances_of) -> str:
    if not via.region_count:
        return f"{path} has no region in its {len(via)} images: annotate them first."
    if instances_of is not None and not problems:
        return f"{path} has no instance of {', '.join(instances_of)}."
    return (
        f"{path} has {via.region_count} regions, but none can be used: {problems[0]}. "
        f"The classes are {', '.join(table.names)}."
    )


def _some(names: list[str]) -> str:
    text = ", ".join(names[:SHOWN])
    return text if len(names) <= SHOWN else f"{text} and {len(names) - SHOWN} more"
