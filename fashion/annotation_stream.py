"""VIA and COCO files larger than memory, image by image.

The writers are `fashion.via_stream` and `fashion.coco_stream`.

    with open_annotations("train/via_region_data.json") as images:
        for image in images:
            use(image.filename, image.regions)
"""

import itertools
import os
from collections.abc import Iterator
from typing import Any, Literal

from fashion import coco
from fashion.annotation_index import AnnotationIndex, Place
from fashion.coco import Conversion
from fashion.problem_log import ProblemLog
from fashion.shards import annotation_files
from fashion.via_read import ViaFile, ViaImage, add_regions, image_of_entry, problem_text
from mrcnn.errors import DatasetError


class ImageStream:
    """The images of annotation files, one after the other, as often as they are gone through.

    Each round reads the files again and gives what `fashion.via_read.read` has in `images`; of a
    COCO file, what it has after `fashion.coco.to_via`. A context manager: the index on the disk
    goes at its end.

    Attributes:
        source: what the user named, for messages.
        is_coco: the format.
        problems: of the round that was begun last, a `ProblemLog`; complete when it is through.

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
        self._result = ViaFile()

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
        text = f"{len(self)} images, {self.region_count} regions"
        return text + problem_text(self.problems, limit)

    def __iter__(self) -> Iterator[ViaImage]:
        self.problems = ProblemLog()
        self._result = ViaFile(problems=self.problems)
        return self._of_coco() if self.is_coco else self._of_via()

    def _of_via(self) -> Iterator[ViaImage]:
        for _, rows in itertools.groupby(self._entry_rows(), key=lambda row: row[0]):
            target: ViaImage | None = None
            for _, key, *place in rows:
                entry = self.index.read(Place(*place))
                image = image_of_entry(key, entry, self.source)
                target = target or image
                add_regions(target, image, entry, self.source, self._result)
            self._stop_at_problem()
            yield target

    def _entry_rows(self) -> Iterator[tuple]:
        """Name, key and place of the entries; those of one name together, else by the file."""
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

    def _of_coco(self) -> Iterator[ViaImage]:
        conversion = Conversion(problems=self.problems)
        for key, entry in via_entries_of_coco(self.index, conversion):
            image = image_of_entry(key, entry, self.source)
            add_regions(image, image, entry, self.source, self._result)
            self._stop_at_problem()
            yield image

    def _stop_at_problem(self) -> None:
        if self.strict and self.problems:
            advice = "" if self.is_coco else " Correct it in VIA."
            raise DatasetError(f"{self.source}: {self.problems[0]}.{advice}")


def open_annotations(path: str | os.PathLike[str], *, strict: bool = False) -> ImageStream:
    """The images of a VIA or COCO file, a folder with one, or shards (`fashion.shards`).

    Raises `DatasetError`.
    """
    return ImageStream(path, strict=strict)


def coco_images(index: AnnotationIndex) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each image of a COCO file as it stands, with its annotations, in the order of the file.

    Annotations of unknown images and categories are not among them. Raises `DatasetError`.
    """
    images = index.rows("SELECT place, file, start, length FROM images ORDER BY place")
    # CROSS JOIN keeps SQLite to this order: one walk through the annotations, then one sort.
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


def via_entries_of_coco(
    index: AnnotationIndex, conversion: Conversion, *, plain: bool = False
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Key and VIA entry of each image of a COCO file, as `fashion.coco.to_via` makes them.

    What was met is counted in `conversion`. Raises `DatasetError`.
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
            coco.unknown_image(annotation)
            if name is None
            else coco.unknown_category(name, annotation)
        )
    categories = {entry["id"]: entry["name"] for entry in index.categories}
    for image, annotations in coco_images(index):
        entry = coco.via_entry(
            image, annotations, categories, conversion, index.source, plain=plain
        )
        if entry is not None:
            yield str(image["id"]), entry
