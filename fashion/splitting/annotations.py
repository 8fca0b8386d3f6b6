"""Parts of annotation files: the entries of some images, everything else unchanged.

Nothing is converted, so a part keeps everything that the file says about its images, even what this
project does not understand.
"""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fashion.annotations import coco
from fashion.annotations.annotated import AnnotatedImage, Region
from fashion.annotations.instances import LabelError, group_regions, region_class, region_label
from fashion.annotations.locating import ANNOTATION_FILE
from fashion.annotations.via_reading import check_filename, from_json, posix_name
from fashion.annotations.vocabulary import options_of, spelt_out
from fashion.json_files import read_json
from fashion.labels import ClassTable

COCO_FILE = "instances.json"


@dataclass(slots=True)
class AnnotationSource:
    """A VIA or COCO file to be divided.

    `counts` holds, for each image in the order of the file, how many instances of each class name
    it has. `orphans` has a sentence for each annotation without an image. `file_name` is the name
    of its parts beside their images. `options` are those of a VIA project's attributes.
    `sizes` are width and height of the images, None where the file does not have them.
    """

    path: Path
    data: dict[str, Any]
    file_name: str
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    orphans: list[str] = field(default_factory=list)
    options: dict[str, dict[str, str]] = field(default_factory=dict)
    sizes: dict[str, tuple[int | None, int | None]] = field(default_factory=dict)

    @property
    def is_coco(self) -> bool:
        """Whether it is a COCO file; otherwise it is VIA."""
        return self.file_name == COCO_FILE

    @property
    def names(self) -> list[str]:
        """The images' file names in the order of the file."""
        return list(self.counts)

    def classes(self) -> list[str]:
        """The names of the classes that occur, the most frequent first."""
        return [name for name, _ in sum(self.counts.values(), Counter()).most_common()]

    def matrix(self, names: Collection[str], classes: list[str]) -> np.ndarray:
        """Instances of each of `classes` in each image of `names`: int64 [names, classes]."""
        rows = [[self.counts[name][label] for label in classes] for name in names]
        return np.array(rows, dtype=np.int64).reshape(len(names), len(classes))

    def part(self, names: Collection[str]) -> dict[str, Any]:
        """The JSON object with the images `names` and their annotations, in the file's order.

        A VIA project becomes a plain annotation file, in which its options are spelt out.
        """
        wanted = set(names)
        if not self.is_coco:
            entries = self.data.items()
            return {
                key: _spelt_out(entry, self.options)
                for key, entry in entries
                if posix_name(entry["filename"]) in wanted
            }
        images = [i for i in self.data["images"] if posix_name(str(i["file_name"])) in wanted]
        ids = {coco.identity(image["id"]) for image in images}
        entries = self.data["annotations"]
        own = [entry for entry in entries if coco.identity(entry.get("image_id")) in ids]
        return {**self.data, "images": images, "annotations": own}


def read_source(path: str | os.PathLike[str], table: ClassTable | None = None) -> AnnotationSource:
    """Read a VIA 1 or 2 annotation or project file, or a COCO file, to be divided.

    `table` knows the aliases of classes, and names those for which a VIA file has only codes.
    Raises `DatasetError` for a file that is neither, and for names that lead out of the folder.
    """
    path = Path(path)
    data = read_json(path)
    if coco.is_coco(data):
        return _coco_source(path, data, table)
    via = from_json(data, str(path))  # checks the entries
    source = AnnotationSource(path, data.get("_via_img_metadata", data), ANNOTATION_FILE)
    source.options = options_of(via.attribute_definitions)
    for image in via:
        source.sizes[image.filename] = image.width, image.height
        source.counts[image.filename] = _via_counts(image, table)
    return source


def _coco_source(path: Path, data: dict[str, Any], table: ClassTable | None) -> AnnotationSource:
    coco.check(data, str(path))
    source = AnnotationSource(path, data, COCO_FILE)
    labels: dict[Any, str] = {}
    for entry in data["categories"]:
        row = table.find(str(entry["name"])) if table else None
        labels[coco.identity(entry["id"])] = row.name if row else str(entry["name"])
    names = {coco.identity(image["id"]): str(image["file_name"]) for image in data["images"]}
    for name in names.values():
        check_filename(name, str(path))
    names = {image_id: posix_name(name) for image_id, name in names.items()}
    by_image: dict[Any, Counter[str]] = defaultdict(Counter)
    for annotation in data["annotations"]:
        image_id = coco.identity(annotation.get("image_id"))
        category = coco.identity(annotation.get("category_id"))
        if image_id in names:
            by_image[image_id][labels.get(category, f"category {category}")] += 1
        else:
            number = annotation.get("id")
            source.orphans.append(
                f"annotation {number}: there is no image with its image_id {image_id}"
            )
    for image in data["images"]:
        size = AnnotatedImage("", attributes=image)
        source.sizes[posix_name(str(image["file_name"]))] = size.width, size.height
    source.counts = {name: by_image[image_id] for image_id, name in names.items()}
    return source


def _via_counts(image: AnnotatedImage, table: ClassTable | None) -> Counter[str]:
    regions = (group[0] for group in group_regions(image.regions))
    return Counter(_class_name(region, table) for region in regions)


def _class_name(region: Region, table: ClassTable | None) -> str:
    """The label of a region, roughly: dividing only needs equal words for equal classes."""
    if table is not None:
        try:
            return region_class(region.attributes, table, region.vocabulary).name
        except LabelError:
            pass  # not in the table, but still a class
    return region_label(region)


def _spelt_out(entry: dict[str, Any], options: dict[str, dict[str, str]]) -> dict[str, Any]:
    """A VIA entry whose numbers do not depend on a project's options."""
    regions = entry.get("regions")
    if not options or not regions:
        return entry

    def changed(region: Any) -> Any:
        attributes = region.get("region_attributes") if isinstance(region, dict) else None
        if not isinstance(attributes, dict):
            return region
        return {**region, "region_attributes": spelt_out(attributes, options)}

    if isinstance(regions, dict):
        return {**entry, "regions": {key: changed(region) for key, region in regions.items()}}
    return {**entry, "regions": [changed(region) for region in regions]}


def json_text(data: Any) -> str:
    """`data` as the text of a JSON file."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False) + "\n"
