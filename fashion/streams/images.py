"""VIA and COCO files larger than memory, image by image.

The writers are `fashion.streams.via_writing` and `fashion.streams.coco_writing`.

    with open_annotations("train/via_region_data.json") as images:
        for image in images:
            use(image.filename, image.regions)
"""

import itertools
import os
from collections.abc import Iterator
from typing import Any, Literal

from fashion.annotations.annotated import AnnotatedImage, Annotations
from fashion.annotations.coco_reading import (
    CocoReader,
    Conversion,
    unknown_category,
    unknown_image,
)
from fashion.annotations.problems import ProblemLog, problem_text, stop_at_first
from fashion.annotations.via_reading import CORRECT, add_regions, image_of_entry
from fashion.streams.index import AnnotationIndex, Place
from fashion.streams.shards import annotation_files
from mrcnn.errors import counted


class ImageStream:
    """The images of annotation files, one by one, as often as they are iterated over.

    Each round reads the files again and gives the images of `fashion.annotations.via_reading.read`,
    or for COCO those of `fashion.annotations.coco_reading.to_via`. A context manager: leaving it
    removes the index on the disk.

    Attributes:
        source: what the user named, for messages.
        is_coco: the format.
        problems: of the latest round, complete when that has ended.

    `strict` raises `DatasetError` at the first problem.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        wanted: Literal["via", "coco"] | None = None,
        strict: bool = False,
    ) -> None:
        self.source = str(path)
        self.index = AnnotationIndex(annotation_files(path), self.source, wanted)
        self.is_coco = self.index.is_coco
        self.strict = strict
        self.problems = ProblemLog()
        self._result = Annotations()

    def __enter__(self) -> "ImageStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.index.close()

    def __len__(self) -> int:
        table = "images" if self.is_coco else "entries"
        column = "place" if self.is_coco else "DISTINCT name"
        return next(self.index.rows(f"SELECT COUNT({column}) FROM {table}"))[0]

    @property
    def region_count(self) -> int:
        """The regions of the last round, bad ones too."""
        return self._result.region_count

    def summary(self, limit: int = 5) -> str:
        """One line of totals of the last round, then up to `limit` of the problems."""
        text = f"{counted(len(self), 'image')}, {counted(self.region_count, 'region')}"
        return text + problem_text(self.problems, limit)

    def __iter__(self) -> Iterator[AnnotatedImage]:
        self.problems = ProblemLog()
        self._result = Annotations(problems=self.problems)
        return self._of_coco() if self.is_coco else self._of_via()

    def _of_via(self) -> Iterator[AnnotatedImage]:
        for _, rows in itertools.groupby(self._entry_rows(), key=lambda row: row[0]):
            target: AnnotatedImage | None = None
            for _, key, *place in rows:
                entry = self.index.read(Place(*place))
                image = image_of_entry(key, entry, self.source)
                target = target or image
                add_regions(target, image, entry, self.source, self._result)
            if self.strict:
                stop_at_first(self.problems, self.source, CORRECT)
            assert target is not None, "no group is empty"
            for region in target.regions:
                region.vocabulary = self.index.vocabulary
            yield target

    def _entry_rows(self) -> Iterator[tuple]:
        """Name, key and place of the entries in file order, those of the same name together."""
        doubled = "SELECT name FROM entries GROUP BY name HAVING COUNT(*) > 1"
        if next(self.index.rows(f"{doubled} LIMIT 1"), None) is None:
            yield from self.index.rows(
                "SELECT name, key, file, start, length FROM entries ORDER BY place"
            )
            return
        yield from self.index.rows(
            """SELECT e.name, e.key, e.file, e.start, e.length FROM entries e
            JOIN (SELECT name, MIN(place) AS first FROM entries GROUP BY name) f ON f.name = e.name
            ORDER BY f.first, e.place"""
        )

    def _of_coco(self) -> Iterator[AnnotatedImage]:
        conversion = Conversion(problems=self.problems)
        for image in images_of_coco(self.index, conversion):
            self._result.region_count += image.region_count
            if self.strict:
                stop_at_first(self.problems, self.source)
            yield image


def open_annotations(path: str | os.PathLike[str], *, strict: bool = False) -> ImageStream:
    """The images of a VIA or COCO file, a folder with one, or shards (`fashion.streams.shards`).

    Raises `DatasetError`.
    """
    return ImageStream(path, strict=strict)


def coco_images(index: AnnotationIndex) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each image of a COCO file, as the file has it, with its annotations, in the file's order.

    Annotations of unknown images and categories are left out. Raises `DatasetError`.
    """
    images = index.rows("SELECT place, file, start, length FROM images ORDER BY place")
    # CROSS JOIN makes SQLite keep this order: one pass over the annotations, then one sort.
    annotations = index.rows(
        """SELECT i.place, a.file, a.start, a.length FROM annotations a
        CROSS JOIN images i ON i.id = a.image
        WHERE a.category IN (SELECT id FROM categories) ORDER BY i.place, a.place"""
    )
    waiting = next(annotations, None)
    for number, *place in images:
        own = []
        while waiting is not None and waiting[0] == number:
            own.append(index.read(Place(*waiting[1:])))
            waiting = next(annotations, None)
        yield index.read(Place(*place)), own


def images_of_coco(
    index: AnnotationIndex, conversion: Conversion, *, first_polygon: bool = False
) -> Iterator[AnnotatedImage]:
    """The images of a COCO file, as `fashion.annotations.coco_reading.to_via` makes them.

    What was found is counted in `conversion`. Raises `DatasetError`.
    """
    unknown = index.rows(
        """SELECT i.name, a.file, a.start, a.length FROM annotations a
        LEFT JOIN images i ON i.id = a.image
        WHERE i.place IS NULL OR a.category IS NULL
        OR a.category NOT IN (SELECT id FROM categories) ORDER BY a.place"""
    )
    for name, *place in unknown:
        annotation = index.read(Place(*place))
        conversion.problems.append(
            unknown_image(annotation) if name is None else unknown_category(name, annotation)
        )
    reader = CocoReader(index.categories, index.source, conversion, first_polygon=first_polygon)
    for entry, annotations in coco_images(index):
        image = reader.image(entry, annotations)
        if image is not None:
            yield image
