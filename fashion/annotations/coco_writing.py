"""From annotated images to COCO files; what travels along in VIA files is in
`fashion.annotations.coco`."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fashion.annotations.annotated import AnnotatedImage, Annotations
from fashion.annotations.class_inference import FoundLabels, UniqueIds, category_ids, infer_table
from fashion.annotations.coco import EXTRA, OWN, extra_fields, outline_checksum, set_apart
from fashion.annotations.instances import Instance, image_instances
from fashion.annotations.problems import Problem, Problems, problem_text, stop_at_first
from fashion.annotations.via_reading import CORRECT
from fashion.annotations.via_shapes import ShapeError
from fashion.json_files import write_json
from fashion.labels import MODANET_TABLE, ClassTable
from fashion.polygons.filling import polygons_to_crop, polygons_to_mask
from mrcnn.errors import DatasetError, counted
from mrcnn.evaluation.coco_ap import encode_mask

_CARRIED_APART = {"outlines", "category", "id", "segmentation", "bbox", "area", OWN}


@dataclass(slots=True)
class CocoConversion:
    """A COCO file made of a VIA file: `data` is its JSON object; the rest counts what was found."""

    data: dict[str, Any] = field(default_factory=dict)
    problems: Problems = field(default_factory=list)
    images: int = 0
    annotations: int = 0
    run_lengths: int = 0
    redrawn: int = 0

    def summary(self, limit: int = 5) -> str:
        """What was converted, in a few lines."""
        text = f"{counted(self.images, 'image')}, {counted(self.annotations, 'annotation')}"
        if self.run_lengths:
            text += f", {self.run_lengths} with holes written as run-length masks"
        if self.redrawn:
            text += f", {counted(self.redrawn, 'outline')} changed since they left COCO"
        return text + problem_text(self.problems, limit)


def from_via(
    via: Annotations,
    source: str = "the VIA data",
    *,
    table: ClassTable | None = None,
    like: Mapping[str, Any] | None = None,
    strict: bool = False,
) -> CocoConversion:
    """COCO annotations of VIA data: one annotation per instance.

    `table` names the classes; without it they are those of `like`, else ModaNet's or the nine
    season labels when they hold all labels of the file, else the labels found. `like` is a COCO
    object whose categories, info and licences are copied. What
    `fashion.annotations.coco_reading.to_via` kept is restored: image and annotation ids, category
    ids, fields, and bbox and area of every outline that has not been changed. Otherwise bbox is the
    polygons' extent, and area that of the mask in pixels. Instances with holes become run-length
    masks, which need the image's size. Regions that cannot be used are listed in `problems`; with
    `strict` the first one raises.

    Raises `DatasetError`.
    """
    labels = FoundLabels.of(via)
    table = table or infer_table(labels, like, source)
    result = CocoConversion(problems=list(via.problems))
    builder = CocoBuilder(table, category_ids(labels, table, like), result)
    images, annotations = [], []
    for image in via:
        entry, made = builder.add(image)
        images.append(entry)
        annotations += made
        if strict:
            stop_at_first(result.problems, source, CORRECT)
    result.data = {
        **head_of(like),
        "images": images,
        "annotations": annotations,
        "categories": builder.categories(like),
    }
    return result


def head_of(like: Mapping[str, Any] | None) -> dict[str, Any]:
    """Everything in a COCO object besides its three lists.

    VIA imports a file only if it has `info`.
    """
    head = {key: like[key] for key in like if key not in _LISTS} if like else {}
    return head if like else {"info": {"description": "garments"}, **head}


_LISTS = ("images", "annotations", "categories")


def write(path: str | os.PathLike[str], data: Mapping[str, Any]) -> None:
    """Write a COCO object as JSON, whole or not at all. Raises `DatasetError`."""
    write_json(path, data)


class CocoBuilder:
    """Turns images with their regions into COCO entries with unique ids.

    `category_ids` are COCO category ids by class name. What it finds is counted in `result`.
    """

    def __init__(
        self, table: ClassTable, category_ids: dict[str, Any], result: CocoConversion
    ) -> None:
        self.table = table
        self.category_ids = category_ids
        self.result = result
        self._image_ids = UniqueIds()
        self._annotation_ids = UniqueIds()

    def add(self, image: AnnotatedImage) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The COCO entries of one image and of its instances."""
        entry = self._image(image)
        instances, problems = image_instances(image, self.table)
        for problem in problems:
            self.result.problems.append(problem)
        annotations = []
        for instance in instances:
            try:
                annotations.append(self._annotation(instance, image, entry))
            except (ShapeError, DatasetError) as error:
                number = instance.numbers[0]
                reason = error.problem if isinstance(error, DatasetError) else str(error)
                self.result.problems.append(Problem(image.filename, number, reason))
        self.result.images += 1
        self.result.annotations += len(annotations)
        return entry, annotations

    def categories(self, like: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The COCO categories: `like`'s, else the class table's in the order of their ids."""
        if like:
            return list(like["categories"])
        # VIA makes an attribute of this name, with the ids as its values: in `fashion` they would
        # be read as codes, but only ModaNet's ids are codes.
        ids = [self.category_ids[row.name] for row in self.table]
        is_code = self.table == MODANET_TABLE and ids == [row.id for row in self.table]
        above = "fashion" if is_code else "garment"
        rows = [
            {"supercategory": above, "id": self.category_ids[row.name], "name": row.name}
            for row in self.table
        ]
        return sorted(rows, key=lambda row: (str(type(row["id"])), row["id"]))

    def _image(self, image: AnnotatedImage) -> dict[str, Any]:
        extra = extra_fields(image.attributes)
        entry = {"id": self._image_ids.take(extra.get("id")), "file_name": image.filename}
        for name, value in (("width", image.width), ("height", image.height)):
            if value is not None:
                entry[name] = value
        own_fields = ("id", "file_name", "width", "height", OWN)
        entry |= {key: value for key, value in extra.items() if key not in own_fields}
        own = {
            key: value
            for key, value in image.attributes.items()
            if key not in (EXTRA, "width", "widht", "height", "heigth")
        }
        theirs = extra.get(OWN)
        own |= theirs if isinstance(theirs, dict) else {}
        if own:
            entry["attributes"] = own
        return entry

    def _annotation(
        self, instance: Instance, image: AnnotatedImage, entry: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The COCO entry of one instance; `ShapeError` with the reason if there can be none."""
        attributes = [r.attributes for r in image.regions if r.number in instance.numbers]
        extra = next((e for e in map(extra_fields, attributes) if e), {})
        geometry = self._geometry(instance, extra, entry)
        identity = instance.identity
        wanted = extra.get("id", int(identity) if identity.isdecimal() else None)
        return {
            "id": self._annotation_ids.take(wanted),
            "image_id": entry["id"],
            "category_id": self.category_ids[self.table[instance.class_id].name],
            **geometry,
            "iscrowd": int(instance.crowd),
            **{key: extra[key] for key in extra if key not in _CARRIED_APART},
            **_own_attributes(attributes[0], instance, extra.get(OWN)),
        }

    def _geometry(
        self, instance: Instance, extra: Mapping[str, Any], entry: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Segmentation, area and bbox: as they came from COCO if the outlines are the same."""
        carried: Mapping[str, Any] = {}
        if "outlines" in extra:
            if extra["outlines"] == outline_checksum([*instance.parts, *instance.holes]):
                carried = extra
            else:
                self.result.redrawn += 1
        return {
            "segmentation": carried["segmentation"]
            if "segmentation" in carried
            else self._segmentation(instance, entry),
            "area": carried["area"] if "area" in carried else _area(instance, entry),
            "bbox": carried["bbox"] if "bbox" in carried else _extent(instance.parts),
        }

    def _segmentation(self, instance: Instance, entry: Mapping[str, Any]) -> Any:
        if not instance.holes:
            return [[_number(value) for value in part.ravel().tolist()] for part in instance.parts]
        if "width" not in entry or "height" not in entry:
            raise ShapeError(
                "it has a hole, which COCO can only store for an image of known size: "
                "give width and height in file_attributes"
            )
        self.result.run_lengths += 1
        mask = polygons_to_mask(instance.parts, instance.holes, entry["height"], entry["width"])
        return encode_mask(mask)


def _own_attributes(
    attributes: Mapping[str, Any], instance: Instance, theirs: Any
) -> dict[str, Any]:
    """Score and further attributes of an instance, as COCO fields; `theirs` are named like ours."""
    own, _ = set_apart(attributes)
    own |= theirs if isinstance(theirs, dict) else {}
    fields: dict[str, Any] = {"attributes": own} if own else {}
    if instance.score is not None:
        fields["score"] = _number(instance.score)
    return fields


def _extent(parts: list[np.ndarray]) -> list[int | float]:
    points = np.concatenate(parts)
    x, y = points.min(axis=0).tolist()
    width, height = (points.max(axis=0) - points.min(axis=0)).tolist()
    return [_number(value) for value in (x, y, width, height)]


def _area(instance: Instance, entry: Mapping[str, Any]) -> int:
    """Pixels of the instance's mask; if the image's size is unknown, of its whole extent."""
    high = np.ceil(np.concatenate(instance.parts).max(axis=0)).astype(int)
    width, height = entry.get("width", int(high[0])), entry.get("height", int(high[1]))
    crop, _ = polygons_to_crop(instance.parts, instance.holes, height, width)
    return int(np.count_nonzero(crop))


def _number(value: float) -> int | float:
    return int(value) if float(value).is_integer() else float(value)
