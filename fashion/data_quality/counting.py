"""Counts and measures of an annotated data set.

Areas are those of the filled masks in pixels, at the images' own size; an instance is small below
32 x 32 pixels and large from 96 x 96, as in the COCO evaluation (https://cocodataset.org).
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fashion.annotations.annotated import AnnotatedImage, Annotations
from fashion.annotations.instances import Instance, image_instances
from fashion.annotations.problems import Problem
from fashion.labels import ClassTable
from fashion.pictures.listing import image_size, wrong_size
from fashion.polygons.filling import polygons_to_crop
from mrcnn.errors import DatasetError

SIZES = ("small", "medium", "large")
SIZE_LIMITS = (32**2, 96**2)  # pixels


@dataclass(slots=True)
class ClassCounts:
    """The instances of one class.

    Attributes:
        areas: pixels of the mask, for each instance.
        area_shares: the mask's share of its image, 0 to 1, for each instance; NaN where the image's
            size is unknown.
        polygons: number of outlines, without holes, for each instance.
        points: number of points, for each outline and hole.
        images: number of images with the class.
        holes: number of holes.
        crowds: number of crowd annotations.
    """

    areas: list[int] = field(default_factory=list)
    area_shares: list[float] = field(default_factory=list)
    polygons: list[int] = field(default_factory=list)
    points: list[int] = field(default_factory=list)
    images: int = 0
    holes: int = 0
    crowds: int = 0

    def sizes(self) -> list[int]:
        """How many instances are small, medium and large."""
        index = np.searchsorted(SIZE_LIMITS, self.areas, side="right")
        return np.bincount(index, minlength=len(SIZES)).tolist()


@dataclass(slots=True)
class Statistics:
    """The figures of an annotated data set.

    Attributes:
        table: its classes.
        classes: the counts of each class by name, in the order of the table.
        together: int [classes, classes], the number of images in which both classes occur.
        instances_per_image: a number for each image.
        image_sizes: number of images by (width, height).
        problems: regions that were skipped.
        subsets: number of images by subset, where there are subsets.
    """

    table: ClassTable
    classes: dict[str, ClassCounts]
    together: np.ndarray
    instances_per_image: list[int] = field(default_factory=list)
    image_sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    subsets: dict[str, int] = field(default_factory=dict)

    def present(self) -> list[str]:
        """The names of the classes that occur, in the order of the table."""
        return [name for name, counts in self.classes.items() if counts.areas]

    def everything(self) -> ClassCounts:
        """All classes together; `images` is the number of images with any instance."""
        total = ClassCounts(images=sum(count > 0 for count in self.instances_per_image))
        for counts in self.classes.values():
            for name in ("areas", "area_shares", "polygons", "points", "holes", "crowds"):
                setattr(total, name, getattr(total, name) + getattr(counts, name))
        return total

    def to_json(self) -> dict[str, Any]:
        """All figures as plain JSON."""
        per_image = Counter(self.instances_per_image)
        total = self.everything()
        return {
            "images": len(self.instances_per_image),
            "images_by_subset": self.subsets,
            "images_without_instances": per_image[0],
            "instances": len(total.areas),
            "instances_per_image": {str(count): per_image[count] for count in sorted(per_image)},
            "image_sizes": {f"{w}x{h}": n for (w, h), n in self.image_sizes.most_common()},
            "all": class_json(total, total, len(self.instances_per_image)),
            "classes": {
                name: class_json(counts, total, len(self.instances_per_image))
                for name, counts in self.classes.items()
            },
            "co_occurrence": {"classes": list(self.classes), "images": self.together.tolist()},
            "problems": [str(problem) for problem in self.problems],
        }


def class_json(counts: ClassCounts, total: ClassCounts, images: int) -> dict[str, Any]:
    """The figures of one class; shares are 0 to 1, None for a share of nothing."""
    number = len(counts.areas)
    return {
        "instances": number,
        "share_of_instances": _ratio(number, len(total.areas)),
        "images": counts.images,
        "share_of_images": _ratio(counts.images, images),
        "area": _summary(counts.areas),
        "share_of_garment_area": _ratio(sum(counts.areas), sum(total.areas)),
        "share_of_image_area": _summary(counts.area_shares, digits=5),
        "sizes": dict(zip(SIZES, counts.sizes(), strict=True)),
        "polygons_per_instance": _summary(counts.polygons)
        | {"counts": {str(k): v for k, v in sorted(Counter(counts.polygons).items())}},
        "points_per_polygon": _summary(counts.points),
        "holes": counts.holes,
        "crowds": counts.crowds,
    }


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 5) if whole else None


def _summary(values: Iterable[float], digits: int = 2) -> dict[str, float | None]:
    names = ("mean", "median", "minimum", "maximum")
    known = np.array(list(values), dtype=np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return dict.fromkeys(names)
    figures = known.mean(), np.median(known), known.min(), known.max()
    return {name: round(float(v), digits) for name, v in zip(names, figures, strict=True)}


def collect(
    parts: Iterable[tuple[str, Annotations, Path | None]],
    table: ClassTable,
    progress: Callable[[], object] = lambda: None,
) -> Statistics:
    """The statistics of one or more annotation files together.

    A part is its subset's name ("" for none), its annotations, and the folder of its images or
    None. Where the annotations lack the size of an image, it is read from the header of the file;
    where there is no file, masks are not clipped at the image's edge. `progress` is called once for
    each image. No image is decoded.
    """
    classes = {name: ClassCounts() for name in table.names}
    together = np.zeros((len(table), len(table)), dtype=np.int64)
    result = Statistics(table, classes, together)
    for subset, via, folder in parts:
        result.problems += via.problems
        if subset:
            result.subsets[subset] = len(via)
        for image in via:
            _add_image(result, image, folder)
            progress()
    return result


def size_of(image: AnnotatedImage, folder: Path | None) -> tuple[int, int] | None:
    """Width and height of an image by its annotations, else by its file; None if unknown."""
    if image.width and image.height:
        return image.width, image.height
    if folder is None:
        return None
    try:
        return image_size(folder / image.filename)
    except DatasetError:
        return None


def _add_image(result: Statistics, image: AnnotatedImage, folder: Path | None) -> None:
    if folder is not None:
        reason = wrong_size(folder / image.filename, image.width, image.height)
        if reason is not None:
            result.problems.append(Problem(image.filename, None, f"{reason}; it is not counted"))
            return
    size = size_of(image, folder)
    instances, problems = image_instances(image, result.table)
    result.problems += problems
    result.instances_per_image.append(len(instances))
    if size:
        result.image_sizes[size] += 1
    for instance in instances:
        counts = result.classes[result.table.name_of(instance.class_id)]
        area = mask_area(instance, size)
        counts.areas.append(area)
        counts.area_shares.append(area / (size[0] * size[1]) if size else float("nan"))
        counts.polygons.append(len(instance.parts))
        counts.points += [len(outline) for outline in (*instance.parts, *instance.holes)]
        counts.holes += len(instance.holes)
        counts.crowds += instance.crowd
    present = sorted({instance.class_id - 1 for instance in instances})
    result.together[np.ix_(present, present)] += 1
    for index in present:
        result.classes[result.table.names[index]].images += 1


def mask_area(instance: Instance, size: tuple[int, int] | None) -> int:
    """Pixels of an instance's mask, clipped to the image where its (width, height) is known."""
    if size is None:
        high = np.ceil(np.concatenate(instance.parts).max(axis=0)).astype(int)
        size = int(high[0]), int(high[1])
    crop, _ = polygons_to_crop(instance.parts, instance.holes, size[1], size[0])
    return int(np.count_nonzero(crop))
