"""COCO annotations become annotated images, for training as for VIA files.

`read_images` gives the images with their regions. `to_via` also keeps what VIA has no place for
(see `fashion.annotations.coco`), so that COCO -> VIA -> COCO loses nothing but the form of
run-length segmentations, which become polygons.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fashion.annotations.annotated import (
    AnnotatedImage,
    Annotations,
    Region,
    attribute_text,
    is_true,
)
from fashion.annotations.coco import (
    EXTRA,
    OWN,
    Category,
    check,
    extra_text,
    identity,
    outline_checksum,
    set_apart,
)
from fashion.annotations.problems import Problem, Problems, problem_text, stop_at_first
from fashion.annotations.via_reading import check_filename, posix_name
from fashion.annotations.via_shapes import ShapeError, check_inside, polygon_shape
from fashion.polygons.filling import exact_polygons, rle_to_mask
from mrcnn.errors import counted


@dataclass(slots=True)
class Conversion:
    """What was found in a COCO file; `problems` are annotations that could not be used.

    `annotations` are its images, where the whole file was read.
    """

    annotations: Annotations = field(default_factory=Annotations)
    problems: Problems = field(default_factory=list)
    images: int = 0
    regions: int = 0
    instances: int = 0
    run_lengths: int = 0
    crowds: int = 0
    boxes_only: int = 0
    empty_images: int = 0

    def summary(self, limit: int = 5) -> str:
        """What was converted, in a few lines."""
        parts = [
            f"{counted(self.images, 'image')}, {counted(self.instances, 'instance')}, "
            f"{counted(self.regions, 'region')}"
        ]
        for count, text in (
            (self.empty_images, "images without annotation"),
            (self.run_lengths, "run-length masks turned into polygons"),
            (self.crowds, "crowds"),
            (self.boxes_only, "annotations without outline, their boxes taken as rectangles"),
        ):
            if count:
                parts.append(f"{count} {text}")
        return ", ".join(parts) + problem_text(self.problems, limit)


def read_images(
    coco: Mapping[str, Any], source: str = "the COCO data", *, strict: bool = False
) -> Annotations:
    """The images of a COCO data set with their regions: one region per outline.

    The outlines of an annotation share its id as `instance`; `label` is the category's name.
    Images without annotation are kept. An annotation of an unknown image or category, or without
    outline and box, is listed in `problems`; with `strict` the first one raises.

    Raises `DatasetError`.
    """
    return _convert(coco, source, strict, carry=False).annotations


def to_via(
    coco: Mapping[str, Any],
    source: str = "the COCO data",
    *,
    first_polygon: bool = False,
    strict: bool = False,
) -> Conversion:
    """`read_images` for a VIA file that can become the same COCO file again, and what was found.

    `fashion` is the code of the category (ModaNet's number, a season label's region code, else the
    category id).

    `first_polygon` gives what the original pipeline made: only images with annotations, only the
    first polygon of each, only the `fashion` attribute.

    Raises `DatasetError`.
    """
    return _convert(coco, source, strict, first_polygon=first_polygon)


def _convert(
    coco: Mapping[str, Any],
    source: str,
    strict: bool,
    *,
    carry: bool = True,
    first_polygon: bool = False,
) -> Conversion:
    check(coco, source)
    result = Conversion()
    result.annotations.problems = result.problems
    reader = CocoReader(
        coco["categories"], source, result, carry=carry, first_polygon=first_polygon
    )
    by_image = _by_image(coco, result)
    for entry in coco["images"]:
        image = reader.image(entry, by_image.get(identity(entry["id"]), []))
        if image is not None:
            result.annotations.images.append(image)
            result.annotations.region_count += image.region_count
    if strict:
        stop_at_first(result.problems, source)
    return result


def _by_image(coco: Mapping[str, Any], result: Conversion) -> dict[Any, list[dict[str, Any]]]:
    names = {identity(image["id"]): str(image["file_name"]) for image in coco["images"]}
    categories = {identity(entry["id"]) for entry in coco["categories"]}
    by_image = defaultdict(list)
    for annotation in coco["annotations"]:
        image_id = identity(annotation.get("image_id"))
        category_id = identity(annotation.get("category_id"))
        if isinstance(image_id, list | dict) or image_id not in names:
            result.problems.append(unknown_image(annotation))
        elif isinstance(category_id, list | dict) or category_id not in categories:
            result.problems.append(unknown_category(names[image_id], annotation))
        else:
            by_image[image_id].append(annotation)
    return by_image


def unknown_image(annotation: Mapping[str, Any]) -> Problem:
    """The problem that an annotation's image is not in the file."""
    reason = f"its image_id {annotation.get('image_id')!r} is not among the images"
    return problem("no image", annotation, reason)


def unknown_category(file: str, annotation: Mapping[str, Any]) -> Problem:
    """The problem that an annotation's category is not in the file."""
    reason = f"its category_id {annotation.get('category_id')!r} is not among the categories"
    return problem(file, annotation, reason)


def problem(file: str, annotation: Mapping[str, Any], reason: str) -> Problem:
    """A problem of one annotation of the image `file`."""
    return Problem(file, None, f"annotation {annotation.get('id')}: {reason}")


class CocoReader:
    """Makes annotated images of COCO's images and annotations; counts in `result` what it finds.

    categories: the file's. carry: keep in the attribute `coco` what VIA has no place for.
    first_polygon: as for `to_via`.
    """

    def __init__(
        self,
        categories: Iterable[Mapping[str, Any]],
        source: str,
        result: Conversion,
        *,
        carry: bool = True,
        first_polygon: bool = False,
    ) -> None:
        self.categories = {
            identity(entry["id"]): Category.named(str(entry["name"])) for entry in categories
        }
        self.source = source
        self.result = result
        self.carry = carry and not first_polygon
        self.first_polygon = first_polygon

    def image(
        self, entry: Mapping[str, Any], annotations: Sequence[Mapping[str, Any]]
    ) -> AnnotatedImage | None:
        """One COCO image with its annotations, whose categories are known.

        None if `first_polygon` leaves out an image without annotations. Raises `DatasetError` for a
        file name that leaves the folder.
        """
        filename = str(entry["file_name"])
        check_filename(filename, self.source)
        filename = posix_name(filename)
        self.result.empty_images += not annotations
        if self.first_polygon and not annotations:
            return None
        image = AnnotatedImage(
            filename, attributes=self._image_attributes(entry), key=str(entry["id"])
        )
        width, height = image.width, image.height
        for annotation, instance in zip(
            annotations, self._instances(filename, annotations), strict=True
        ):
            try:
                regions = self._regions(annotation, entry, instance)
            except ShapeError as error:
                self.result.problems.append(problem(filename, annotation, str(error)))
                continue
            self.result.instances += 1
            for region in regions:
                image.region_count += 1
                region.number = image.region_count
                try:
                    check_inside(region.points, width, height)
                except ShapeError as error:
                    self.result.problems.append(Problem(filename, region.number, str(error)))
                else:
                    image.regions.append(region)
        self.result.images += 1
        self.result.regions += image.region_count
        return image

    def _instances(self, filename: str, annotations: Sequence[Mapping[str, Any]]) -> list[str]:
        """The `instance` of each annotation: its id or, if that is not unique, another value."""
        given = [_id_text(annotation) for annotation in annotations]
        taken, met = set(given), set[str]()
        found: list[str] = []
        renumbered: list[str] = []
        for text in given:
            name = text
            if not text or text in met:
                number = len(found) + 1
                while (name := f"annotation {number}") in taken:
                    number += len(given)
                renumbered.append(text or "none")
            taken.add(name)
            met.add(name)
            found.append(name)
        if renumbered:
            shown = ", ".join(dict.fromkeys(renumbered))
            reason = f"{len(renumbered)} of its annotations have no id of their own ({shown})"
            self.result.problems.append(Problem(filename, None, f"{reason}; they are kept apart"))
        return found

    def _image_attributes(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        attributes = {key: entry[key] for key in ("width", "height") if key in entry}
        if self.first_polygon:
            return attributes
        given = entry.get("attributes")
        given = given if isinstance(given, dict) else {}
        own = {key: value for key, value in given.items() if key not in _OF_IMAGES}
        if not self.carry:
            return {**own, **attributes}
        kept = {"file_name", "width", "height"} | ({"attributes"} if given else set())
        extra = {key: value for key, value in entry.items() if key not in kept}
        if len(own) < len(given):
            extra[OWN] = {key: given[key] for key in given if key not in own}
        return {**own, **attributes, EXTRA: extra_text(extra)}

    def _regions(
        self, annotation: Mapping[str, Any], image: Mapping[str, Any], instance: str
    ) -> list[Region]:
        """The regions of one annotation; raises `ShapeError` with the reason if it has none."""
        regions = self._outlines(annotation, image)
        category = self.categories[identity(annotation["category_id"])]
        code = category.code_of(annotation["category_id"])
        is_crowd = is_true(annotation.get("iscrowd", 0))
        self.result.crowds += is_crowd
        if self.first_polygon:
            return [Region(regions[0].shape, {"fashion": code}, points=regions[0].points)]
        own = annotation.get("attributes")
        own, theirs = set_apart(own) if isinstance(own, dict) else ({}, {})
        attributes = {
            **own,
            "fashion": code,
            "label": category.name,
            "instance": instance,
        }
        if isinstance(annotation.get("score"), int | float):
            attributes["score"] = str(annotation["score"])
        if is_crowd:
            attributes["iscrowd"] = "1"
        for region in regions:
            region.attributes = {**attributes, **region.attributes}
        if self.carry:
            extra = _annotation_extra(annotation, category, bool(own or theirs))
            if theirs:
                extra[OWN] = theirs
            if not extra.keys().isdisjoint(("bbox", "area", "segmentation")):
                extra["outlines"] = outline_checksum(region.points for region in regions)
            if extra:
                regions[0].attributes[EXTRA] = extra_text(extra)
        return regions

    def _outlines(self, annotation: Mapping[str, Any], image: Mapping[str, Any]) -> list[Region]:
        """Regions to fill, then regions to cut out, so far without any attribute but `hole`."""
        segmentation = annotation.get("segmentation")
        if isinstance(segmentation, Mapping):
            return self._run_length_regions(segmentation, image)
        if isinstance(segmentation, list) and segmentation and _is_number(segmentation[0]):
            segmentation = [segmentation]
        if segmentation:
            return self._polygon_regions(segmentation, annotation, image)
        box = annotation.get("bbox")
        if not isinstance(box, list) or len(box) != 4:
            raise ShapeError("it has neither segmentation nor bbox")
        self.result.boxes_only += 1
        sides = dict(zip(("x", "y", "width", "height"), box, strict=True))
        return [Region({"name": "rect", **sides})]

    def _run_length_regions(
        self, segmentation: Mapping[str, Any], image: Mapping[str, Any]
    ) -> list[Region]:
        # Along the pixel edges, so that every reader of the regions gets the file's own mask.
        parts = exact_polygons(_run_length_mask(segmentation, image))
        self.result.run_lengths += 1
        if not parts:
            raise ShapeError("its run-length mask is empty")
        regions = [Region(polygon_shape(part.outline), points=part.outline) for part in parts]
        return regions + [
            Region(polygon_shape(hole), {"hole": "1"}, points=hole)
            for part in parts
            for hole in part.holes
        ]

    def _polygon_regions(
        self, segmentation: Any, annotation: Mapping[str, Any], image: Mapping[str, Any]
    ) -> list[Region]:
        if not isinstance(segmentation, list):
            raise ShapeError("its segmentation is neither a list of polygons nor run-lengths")
        regions = []
        for number, flat in enumerate(segmentation, 1):
            try:
                regions.append(_polygon_region(flat))
            except ShapeError as error:
                reason = f"its polygon {number}: {error}"
                self.result.problems.append(problem(str(image["file_name"]), annotation, reason))
        if not regions:
            raise ShapeError("it has no polygon that can be used")
        return regions


def _annotation_extra(
    annotation: Mapping[str, Any], category: Category, has_attributes: bool
) -> dict[str, Any]:
    """The fields of an annotation that VIA's attributes do not hold."""
    held = {"segmentation", "image_id", "category_id", "iscrowd", "score"}
    if has_attributes:
        held.add("attributes")
    identity = annotation.get("id")
    if isinstance(identity, int) and not isinstance(identity, bool) and identity >= 0:
        held.add("id")
    # Without segmentation the region is the box, and what the file has instead is restored.
    is_box = "segmentation" in annotation and not annotation["segmentation"]
    extra = {"segmentation": annotation["segmentation"]} if is_box else {}
    extra |= {key: value for key, value in annotation.items() if key not in held}
    if not category.implies(annotation["category_id"]):
        extra["category"] = [annotation["category_id"], category.name]
    return extra


_OF_IMAGES = ("width", "widht", "height", "heigth", EXTRA)  # attributes of images that are ours


def _id_text(annotation: Mapping[str, Any]) -> str:
    """The id of an annotation as text; "" if it has none."""
    value = identity(annotation.get("id"))
    return "" if isinstance(value, bool | list | dict) else attribute_text(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _polygon_region(flat: Any) -> Region:
    if isinstance(flat, list) and all(isinstance(p, list) and len(p) == 2 for p in flat):
        flat = [value for point in flat for value in point]
    if not isinstance(flat, list) or len(flat) % 2:
        raise ShapeError("expected a list of x, y, x, y, ..")
    return Region({"name": "polygon", "all_points_x": flat[::2], "all_points_y": flat[1::2]})


def _run_length_mask(segmentation: Mapping[str, Any], image: Mapping[str, Any]) -> np.ndarray:
    size, wanted = segmentation.get("size"), [image.get("height"), image.get("width")]
    if None not in wanted and size != wanted:
        raise ShapeError(f"its run-length mask has the size {size}, its image {wanted}")
    try:
        return rle_to_mask(segmentation)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ShapeError(f"its run-length segmentation cannot be read ({error})") from None
