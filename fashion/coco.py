"""COCO annotation files, and their way into VIA files; the way back is `fashion.coco_write`.

Nothing is lost on the way COCO -> VIA -> COCO but the form of run-length segmentations, which
become polygons. What VIA has no place for (annotation bbox and area as the file gives them, image
ids, licences, further fields) travels in one attribute `coco` with JSON text, of the image and of
the first region of each instance. A checksum of the outlines stands beside bbox and area, so that
they are worked out anew where somebody has corrected the outline in VIA.
"""

import json
import os
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fashion.json_files import read_json
from fashion.labels import MODANET_TABLE, fashion_code, parse_file_name
from fashion.polygons import mask_to_polygons, rle_to_mask
from fashion.via_read import Problem, check_filename, problem_text
from fashion.via_shapes import outline, polygon_shape
from mrcnn.errors import DatasetError

EXTRA = "coco"  # the attribute that carries what VIA has no place for


@dataclass(slots=True)
class Conversion:
    """A VIA file made of a COCO file: `data` is its JSON object; the rest counts what was met.

    `problems` are annotations that could not be taken over.
    """

    data: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    images: int = 0
    regions: int = 0
    instances: int = 0
    run_lengths: int = 0
    crowds: int = 0
    boxes_only: int = 0
    empty_images: int = 0

    def summary(self, limit: int = 5) -> str:
        """What was made of what, in a few lines."""
        parts = [f"{self.images} images, {self.instances} instances, {self.regions} regions"]
        for count, text in (
            (self.empty_images, "images without annotation"),
            (self.run_lengths, "run-length masks turned into polygons"),
            (self.crowds, "crowds"),
            (self.boxes_only, "annotations without outline, their boxes taken as rectangles"),
        ):
            if count:
                parts.append(f"{count} {text}")
        return ", ".join(parts) + problem_text(self.problems, limit)


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a COCO annotation file as it stands, checked for `images` and `annotations`.

    Raises `DatasetError` for a missing or broken file, and one that is not COCO.
    """
    data = read_json(path)
    check(data, str(path))
    return data


def is_coco(data: Any) -> bool:
    """Whether parsed JSON looks like a COCO annotation file."""
    return (
        isinstance(data, dict)
        and isinstance(data.get("images"), list)
        and isinstance(data.get("annotations"), list)
    )


def check(data: Any, source: str = "the COCO data") -> None:
    """Raise `DatasetError` unless the parts that everything relies on are there, and unique."""
    if not is_coco(data) or not isinstance(data.get("categories"), list):
        raise DatasetError(
            f'{source} is no COCO annotation file: expected lists "images", "annotations" and '
            '"categories".'
        )
    for annotation in data["annotations"]:
        check_annotation(annotation, source)
    for part, keys in (("images", ("id", "file_name")), ("categories", ("id", "name"))):
        seen: dict[str, set[Any]] = {key: set() for key in keys}
        for entry in data[part]:
            for key in keys:
                value = own_value(entry, key, part, source)
                # 1 and "1" would get one key in a VIA file.
                if value in seen[key] or str(value) in seen[key]:
                    raise not_unique(value, key, part, source)
                seen[key] |= {value, str(value)}


def check_annotation(annotation: Any, source: str) -> None:
    """Raise `DatasetError` unless an entry of `annotations` is an object."""
    if not isinstance(annotation, dict):
        raise DatasetError(f'{source}: an entry of "annotations" is no object: {annotation}.')


def own_value(entry: Any, key: str, part: str, source: str) -> Any:
    """The value that tells an entry of the list `part` from the others, or `DatasetError`."""
    value = entry.get(key) if isinstance(entry, dict) else None
    if value is None or isinstance(value, list | dict):
        raise DatasetError(f'{source}: an entry of "{part}" has no "{key}": {entry}.')
    return value


def not_unique(value: Any, key: str, part: str, source: str) -> DatasetError:
    """The error that two entries of the list `part` have the same value."""
    return DatasetError(
        f'{source}: two entries of "{part}" have the {key} {value!r}; make it unique.'
    )


def to_via(
    coco: Mapping[str, Any],
    source: str = "the COCO data",
    *,
    first_polygon: bool = False,
    strict: bool = False,
) -> Conversion:
    """VIA 2 annotations of a COCO data set: one entry an image, one region a polygon.

    The parts of an annotation share its id as `instance`; `label` is the category's name and
    `fashion` its code (ModaNet's number, a season label's region code, else the category id).
    Images without annotation are kept. An annotation of an unknown image or category, or without
    outline and box, is listed in `problems`; with `strict` the first one raises.

    `first_polygon` gives what the original pipeline made: only images with annotations, only the
    first polygon of each, only the `fashion` attribute.

    Raises `DatasetError`.
    """
    check(coco, source)
    categories = {entry["id"]: entry["name"] for entry in coco["categories"]}
    result = Conversion()
    by_image = _by_image(coco, categories, result)
    for image in coco["images"]:
        annotations = by_image.get(image["id"], [])
        entry = via_entry(image, annotations, categories, result, source, plain=first_polygon)
        if entry is not None:
            result.data[str(image["id"])] = entry
    if strict and result.problems:
        raise DatasetError(f"{source}: {result.problems[0]}.")
    return result


def via_entry(
    image: Mapping[str, Any],
    annotations: Sequence[Mapping[str, Any]],
    categories: Mapping[Any, str],
    result: Conversion,
    source: str,
    *,
    plain: bool = False,
) -> dict[str, Any] | None:
    """The VIA entry of one COCO image with its annotations, whose categories are known.

    `categories` are names by id. What was met is counted in `result`. With `plain` it is the entry
    that `first_polygon` of `to_via` wants, None for an image without annotations. Raises
    `DatasetError` for a file name that leaves the folder.
    """
    check_filename(str(image["file_name"]), source)
    result.empty_images += not annotations
    if plain and not annotations:
        return None
    regions: list[dict[str, Any]] = []
    for annotation in annotations:
        name = categories[annotation["category_id"]]
        try:
            made = _regions(annotation, str(name), image, result)
        except ValueError as error:
            result.problems.append(problem(str(image["file_name"]), annotation, str(error)))
            continue
        if plain:
            made = [{**made[0], "region_attributes": {"fashion": _code(name, annotation)}}]
        result.instances += 1
        regions += made
    result.images += 1
    result.regions += len(regions)
    return {
        "filename": str(image["file_name"]),
        "size": -1,
        "regions": regions,
        "file_attributes": _file_attributes(image, plain=plain),
    }


def outline_checksum(outlines: Iterable[np.ndarray]) -> int:
    """A number that changes with any point of `outlines` (each [n, 2]) or their order.

    Hundredths of a pixel count: VIA rounds to thousandths when it saves.
    """
    checksum = 0
    for points in outlines:
        hundredths = np.round(np.asarray(points, dtype=np.float64) * 100)
        checksum = zlib.crc32(np.ascontiguousarray(hundredths + 0.0, "<f8").tobytes(), checksum)
    return checksum


def _by_image(
    coco: Mapping[str, Any], categories: Mapping[Any, str], result: Conversion
) -> dict[Any, list[dict[str, Any]]]:
    names = {image["id"]: str(image["file_name"]) for image in coco["images"]}
    by_image = defaultdict(list)
    for annotation in coco["annotations"]:
        image_id, category_id = annotation.get("image_id"), annotation.get("category_id")
        if isinstance(image_id, list | dict) or image_id not in names:
            result.problems.append(unknown_image(annotation))
        elif isinstance(category_id, list | dict) or category_id not in categories:
            result.problems.append(unknown_category(names[image_id], annotation))
        else:
            by_image[image_id].append(annotation)
    return by_image


def unknown_image(annotation: Mapping[str, Any]) -> Problem:
    """That an annotation's image is not in the file."""
    reason = f"its image_id {annotation.get('image_id')!r} is not among the images"
    return problem("no image", annotation, reason)


def unknown_category(file: str, annotation: Mapping[str, Any]) -> Problem:
    """That an annotation's category is not in the file."""
    reason = f"its category_id {annotation.get('category_id')!r} is not among the categories"
    return problem(file, annotation, reason)


def problem(file: str, annotation: Mapping[str, Any], reason: str) -> Problem:
    """A problem of one annotation of the image `file`."""
    return Problem(file, None, f"annotation {annotation.get('id')}: {reason}")


def _code(name: str, annotation: Mapping[str, Any]) -> str:
    """The `fashion` code of a category: by its name where that is ours, else its id."""
    row = MODANET_TABLE.find(name)
    if row is not None:
        return row.code
    parsed = parse_file_name(name)
    code = None if isinstance(parsed, str) else fashion_code(*parsed)
    return str(annotation["category_id"] if code is None else code)


def _regions(
    annotation: Mapping[str, Any], name: str, image: Mapping[str, Any], result: Conversion
) -> list[dict[str, Any]]:
    """The VIA regions of one annotation; raises `ValueError` with the reason if it has none."""
    shapes, holes, extra = _shapes(annotation, image, result)
    code = _code(name, annotation)
    crowd = annotation.get("iscrowd", 0)
    attributes = {"fashion": code, "label": name, "instance": str(annotation.get("id", ""))}
    if isinstance(annotation.get("score"), int | float):
        attributes["score"] = str(annotation["score"])
    if crowd:
        attributes["iscrowd"] = "1"
        result.crowds += 1
    own = annotation.get("attributes")
    own = own if isinstance(own, dict) else {}
    attributes = {**own, **attributes}
    extra |= _annotation_extra(annotation, name, code, bool(own))
    if "bbox" in extra or "area" in extra or "segmentation" in extra:
        extra["outlines"] = outline_checksum(outline(s) for s in (*shapes, *holes))
    regions = [{"shape_attributes": s, "region_attributes": dict(attributes)} for s in shapes]
    regions += [
        {"shape_attributes": s, "region_attributes": {**attributes, "hole": "1"}} for s in holes
    ]
    if extra:
        regions[0]["region_attributes"][EXTRA] = _text(extra)
    return regions


def _annotation_extra(
    annotation: Mapping[str, Any], name: str, code: str, has_attributes: bool
) -> dict[str, Any]:
    """The fields of an annotation that the VIA attributes do not tell."""
    told = {"segmentation", "image_id", "category_id", "iscrowd", "score"}
    if has_attributes:
        told.add("attributes")
    identity = annotation.get("id")
    if isinstance(identity, int) and not isinstance(identity, bool) and identity >= 0:
        told.add("id")
    extra = {key: value for key, value in annotation.items() if key not in told}
    if not _is_told(annotation["category_id"], name, code):
        extra["category"] = [annotation["category_id"], name]
    return extra


def _is_told(category_id: Any, name: str, code: str) -> bool:
    """Whether the category id can be worked out again from the name and the `fashion` code."""
    row = MODANET_TABLE.find(name)
    if row is not None:
        return category_id == row.id
    # A season label's code is the garment's and the season's, never the category's.
    of_season = not isinstance(parse_file_name(name), str)
    return isinstance(category_id, int) and str(category_id) == code and not of_season


def _shapes(
    annotation: Mapping[str, Any], image: Mapping[str, Any], result: Conversion
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, Any]]:
    """Shapes to fill, shapes to cut out, and fields to carry along."""
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, Mapping):
        parts = mask_to_polygons(_run_length_mask(segmentation, image), minimum_area=0)
        result.run_lengths += 1
        if not parts:
            raise ValueError("its run-length mask is empty")
        holes = [polygon_shape(hole) for part in parts for hole in part.holes]
        return [polygon_shape(part.outline) for part in parts], holes, {}
    if segmentation:
        return _polygons(segmentation, annotation, image, result), [], {}
    box = annotation.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        raise ValueError("it has neither segmentation nor bbox")
    result.boxes_only += 1
    rectangle = dict(zip(("x", "y", "width", "height"), box, strict=True))
    extra = {"segmentation": segmentation} if "segmentation" in annotation else {}
    return [{"name": "rect", **rectangle}], [], extra


def _polygons(
    segmentation: Any,
    annotation: Mapping[str, Any],
    image: Mapping[str, Any],
    result: Conversion,
) -> list[dict[str, Any]]:
    if not isinstance(segmentation, list):
        raise ValueError("its segmentation is neither a list of polygons nor run-lengths")
    shapes = []
    for number, flat in enumerate(segmentation, 1):
        try:
            shapes.append(_polygon(flat))
        except ValueError as error:
            reason = f"its polygon {number}: {error}"
            result.problems.append(problem(str(image["file_name"]), annotation, reason))
    if not shapes:
        raise ValueError("it has no polygon that can be used")
    return shapes


def _polygon(flat: Any) -> dict[str, Any]:
    if not isinstance(flat, list) or len(flat) % 2:
        raise ValueError("expected a list of x, y, x, y, ..")
    shape = {"name": "polygon", "all_points_x": flat[::2], "all_points_y": flat[1::2]}
    outline(shape)
    return shape


def _run_length_mask(segmentation: Mapping[str, Any], image: Mapping[str, Any]) -> np.ndarray:
    size, wanted = segmentation.get("size"), [image.get("height"), image.get("width")]
    if None not in wanted and size != wanted:
        raise ValueError(f"its run-length mask has the size {size}, its image {wanted}")
    try:
        return rle_to_mask(segmentation)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"its run-length segmentation cannot be read ({error})") from None


def _file_attributes(image: Mapping[str, Any], *, plain: bool) -> dict[str, Any]:
    attributes = {key: image[key] for key in ("width", "height") if key in image}
    if plain:
        return attributes
    own = image.get("attributes")
    own = own if isinstance(own, dict) else {}
    told = {"file_name", "width", "height"} | ({"attributes"} if own else set())
    extra = {key: value for key, value in image.items() if key not in told}
    return {**own, **attributes, EXTRA: _text(extra)}


def _text(extra: Mapping[str, Any]) -> str:
    return json.dumps(extra, ensure_ascii=False)


def extra_fields(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields in the attribute `coco`; none where it is absent or somebody has spoilt it."""
    text = attributes.get(EXTRA)
    if not isinstance(text, str):
        return {}
    try:
        extra = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return extra if isinstance(extra, dict) else {}
