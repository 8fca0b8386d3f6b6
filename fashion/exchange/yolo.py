"""Ultralytics' YOLO segmentation format: a text file for each picture, a line for each ring.

    data.yaml  classes.txt  images/train/a.jpg  labels/train/a.txt

A line has the class, from 0, and x y x y .. as shares of width and height. It is one object: the
parts and holes of an instance are joined to one ring (`fashion.exchange.rings.joined`), or each
part becomes a separate object.
"""

import json
from pathlib import PurePosixPath

import numpy as np

from fashion.exchange.files import OutputFolder
from fashion.exchange.items import ExportImage, ExportObject, ExportReport
from fashion.exchange.rings import joined, split
from fashion.labels import ClassTable

DIGITS = 6  # of a share: a thousandth of a pixel in 1,000


class YoloExporter:
    """Writes YOLO segmentation labels into a folder.

    `parts` is "join" or "split". Crowds are skipped, since the format has no mark for them.
    """

    def __init__(
        self, out: OutputFolder, table: ClassTable, report: ExportReport, *, parts: str = "join"
    ) -> None:
        self._out, self._table, self._report, self._parts = out, table, report, parts
        self._subsets: dict[str, None] = {}

    def add(self, image: ExportImage) -> None:
        """Write the label file of one image; an image without objects gets an empty one."""
        lines: list[str] = []
        for thing in image.objects:
            lines += self._lines(thing, image)
        subset = _subset(image)
        self._subsets.setdefault(subset)
        self._out.write(self._label_path(image), "".join(lines))

    def image_path(self, image: ExportImage) -> PurePosixPath:
        """Where the image file belongs."""
        return PurePosixPath("images", _subset(image), image.filename)

    def _label_path(self, image: ExportImage) -> PurePosixPath:
        """Where Ultralytics looks for the labels of an image."""
        # The last "/images/" of a path becomes "/labels/", which may be a folder in the file name.
        head, tail = f"/{self.image_path(image)}".rsplit("/images/", 1)
        return PurePosixPath(f"{head}/labels/{tail}".lstrip("/")).with_suffix(".txt")

    def finish(self) -> None:
        """Write data.yaml and classes.txt."""
        subsets = list(self._subsets) or ["train"]
        train = "train" if "train" in subsets else subsets[0]
        paths = {"train": train, "val": "val" if "val" in subsets else train}
        if "test" in subsets:
            paths["test"] = "test"
        if "val" not in subsets:
            self._report.notes["val in data.yaml, which names the same pictures as train"] += 1
        lines = [f"{name}: {json.dumps(f'images/{folder}')}\n" for name, folder in paths.items()]
        # JSON texts are YAML texts.
        names = [
            f"  {number}: {json.dumps(name, ensure_ascii=False)}\n"
            for number, name in enumerate(self._table.names)
        ]
        # Without "path" Ultralytics looks in the folder of data.yaml, wherever that is moved to.
        self._out.write("data.yaml", "".join([*lines, "names:\n", *names]))
        self._out.write(
            "classes.txt", "".join(f"{' '.join(name.split())}\n" for name in self._table.names)
        )

    def _lines(self, thing: ExportObject, image: ExportImage) -> list[str]:
        report = self._report
        if thing.crowd:
            report.losses["crowds"] += 1
            return []
        size = (image.width, image.height)
        if self._parts == "split":
            rings = split(thing.parts, thing.holes, *size)
            report.notes["parts written as objects of their own"] += len(rings) * (len(rings) > 1)
        else:
            ring = joined(thing.parts, thing.holes, *size)
            rings = [ring] if len(ring) else []
            report.notes["instances of several parts joined to one ring"] += len(thing.parts) > 1
        report.notes["holes joined to their outline"] += len(thing.holes)
        report.losses["instances outside of their image"] += not rings
        report.losses["scores"] += thing.score is not None
        report.losses["further attributes"] += len(thing.attributes)
        return [_line(thing.class_id - 1, ring / size) for ring in rings]


def _subset(image: ExportImage) -> str:
    return image.subset or "train"


def _line(class_number: int, shares: np.ndarray) -> str:
    numbers = " ".join(f"{value:.{DIGITS}f}" for value in shares.clip(0, 1).ravel().tolist())
    return f"{class_number} {numbers}\n"
