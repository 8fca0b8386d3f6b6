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
from fashion.annotations.annotated import AnnotatedImage, Region, attribute_text
from fashion.annotations.instances import group_regions
from fashion.annotations.locating import ANNOTATION_FILE
from fashion.annotations.via_reading import check_filename, from_json
from fashion.json_files import read_json
from fashion.labels import ClassTable

COCO_FILE = "instances.json"


@dataclass(slots=True)
class AnnotationSource:
    """A VIA or COCO file to be divided.

    `counts` holds, for each image in the order of the file, how many instances of each class name
    it has. `orphans` has a sentence for each annotation without an image. `file_name` is the name
    of its parts beside their images.
    """

    path: Path
    data: dict[str, Any]
    file_name: str
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    orphans: list[str] = field(default_factory=list)

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

        A VIA project becomes a plain annotation file.
        """
        wanted = set(names)
        if not self.is_coco:
            return {key: e for key, e in self.data.items() if e["filename"] in wanted}
        images = [image for image in self.data["images"] if str(image["file_name"]) in wanted]
        ids = {image["id"] for image in images}
        own = [entry for entry in self.data["annotations"] if entry.get("image_id") in ids]
        return {**self.data, "images": images, "annotations": own}


def read_source(path: str | os.PathLike[str], table: ClassTable | None = None) -> AnnotationSource:
    """Read a VIA 1 or 2 annotation or project file, or a COCO file, to be divided.

    `table` names classes for which a VIA file has only codes. Raises `DatasetError` for a file that
    is neither, and for file names that lead out of the folder.
    """
    path = Path(path)
    data = read_json(path)
    if coco.is_coco(data):
        return _coco_source(path, data)
    via = from_json(data, str(path))  # checks the entries
    source = AnnotationSource(path, data.get("_via_img_metadata", data), ANNOTATION_FILE)
    for image in via:
        source.counts[image.filename] = _via_counts(image, table)
    return source


def _coco_source(path: Path, data: dict[str, Any]) -> AnnotationSource:
    coco.check(data, str(path))
    source = AnnotationSource(path, data, COCO_FILE)
    labels = {entry["id"]: str(entry["name"]) for entry in data["categories"]}
    names = {image["id"]: str(image["file_name"]) for image in data["images"]}
    for name in names.values():
        check_filename(name, str(path))
    by_image: dict[Any, Counter[str]] = defaultdict(Counter)
    for annotation in data["annotations"]:
        image_id, category = annotation.get("image_id"), annotation.get("category_id")
        if image_id in names:
            by_image[image_id][labels.get(category, f"category {category}")] += 1
        else:
            number = annotation.get("id")
            source.orphans.append(
                f"annotation {number}: there is no image with its image_id {image_id}"
            )
    source.counts = {name: by_image[image_id] for image_id, name in names.items()}
    return source


def _via_counts(image: AnnotatedImage, table: ClassTable | None) -> Counter[str]:
    regions = (group[0] for group in group_regions(image.regions))
    return Counter(_class_name(region, table) for region in regions)


def _class_name(region: Region, table: ClassTable | None) -> str:
    """The label of a region, roughly: dividing only needs equal words for equal classes."""
    for attribute in ("label", "class", "name", "fashion"):
        text = attribute_text(region.attributes.get(attribute))
        if text and table is not None:
            row = table.find(text) or (table.find_code(text) if attribute == "fashion" else None)
            text = row.name if row else text
        if text:
            return text
    return "no label"


def json_text(data: Any) -> str:
    """`data` as the text of a JSON file."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False) + "\n"
