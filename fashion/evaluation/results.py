"""COCO results files: what was found, as a list of rows that any COCO tool reads and writes.

A row is `{"image_id": 7, "category_id": 4, "score": 0.9, "bbox": [x, y, width, height],
"segmentation": {"size": [height, width], "counts": ".."}}`. Ids are those of the annotation file
where that is a COCO file; VIA files have none, so that images are numbered from 0 in the order of
the file, and classes have the ids of the class table.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fashion.annotations import coco
from fashion.dataset import FashionDataset
from fashion.json_files import read_json, write_json
from fashion.labels import ClassTable
from fashion.polygons.filling import run_lengths_of
from fashion.polygons.run_lengths import RunLengthError
from mrcnn.errors import DatasetError

NAME_KEYS = ("file_name", "image")
SHOWN = 5  # at most this many ids in a message


@dataclass(frozen=True)
class Numbering:
    """The ids that files of a data set use, by the data set's own.

    Attributes:
        images: data set's image id -> the file's.
        categories: class id -> the file's category id.
        more_categories: further category ids of the file that mean one of these classes -> class
            id (two spellings of one class).
        names: data set's image id -> file name.
        sizes: data set's image id -> (height, width) in pixels.
    """

    images: dict[int, Any]
    categories: dict[int, Any]
    more_categories: dict[Any, int]
    names: dict[int, str]
    sizes: dict[int, tuple[int, int]]

    @classmethod
    def of(cls, dataset: FashionDataset, annotations: Path | None = None) -> "Numbering":
        """The numbering for a prepared data set.

        Args:
            dataset: whose `image_info` holds `id` (the file name), `height` and `width`.
            annotations: the file that it was loaded from; only a COCO file changes anything.

        Raises:
            DatasetError: the file cannot be read.
        """
        ids = [int(i) for i in dataset.image_ids]
        names = {i: str(dataset.image_info[i]["id"]) for i in ids}
        infos = {i: dataset.image_info[i] for i in ids}
        sizes = {i: (int(info["height"]), int(info["width"])) for i, info in infos.items()}
        classes = {int(i): int(i) for i in dataset.class_ids if i > 0}
        data = read_json(annotations) if annotations else {}
        if not coco.is_coco(data):
            return cls({i: i for i in ids}, classes, {}, names, sizes)
        given = {str(image["file_name"]): image["id"] for image in data["images"]}
        categories, more = _coco_categories(data["categories"], dataset)
        return cls({i: given[name] for i, name in names.items()}, categories, more, names, sizes)

    def truth(self, truth: Mapping[str, Any]) -> dict[str, Any]:
        """A COCO dictionary of `mrcnn.evaluation.coco_ap.ground_truth` with the file's ids and
        names.

        Figures are measured with it too, because pycocotools goes through images and classes in the
        order of their ids, on which the last digit may depend.
        """
        images = [{**im, "id": self.images[im["id"]]} for im in self.named(truth)["images"]]
        categories = [{**c, "id": self.categories[c["id"]]} for c in truth["categories"]]
        annotations = self.rows(truth["annotations"])
        return {**truth, "images": images, "annotations": annotations, "categories": categories}

    def named(self, truth: Mapping[str, Any]) -> dict[str, Any]:
        """The same COCO dictionary with the data set's own ids, and a file name at each image."""
        images = [{**image, "file_name": self.names[image["id"]]} for image in truth["images"]]
        return {**truth, "images": images}

    def rows(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rows with the data set's ids as rows with the file's."""
        return [
            {
                **row,
                "image_id": self.images[row["image_id"]],
                "category_id": self.categories[row["category_id"]],
            }
            for row in rows
        ]


def _coco_categories(
    entries: Sequence[Mapping[str, Any]], dataset: FashionDataset
) -> tuple[dict[int, Any], dict[Any, int]]:
    """Category ids by class id, and those of further spellings."""
    table = dataset.table or ClassTable([])
    categories: dict[int, Any] = {}
    more: dict[Any, int] = {}
    for entry in entries:
        row = table.find(entry["name"])
        if row is None:
            continue
        if row.id in categories:
            more[entry["id"]] = row.id
        else:
            categories[row.id] = entry["id"]
    taken = [entry["id"] for entry in entries if isinstance(entry["id"], int)]
    free = max(taken, default=0) + 1
    for class_id in (int(i) for i in dataset.class_ids if i > 0):
        if class_id not in categories:
            categories[class_id], free = free, free + 1
    return categories, more


def masks_only_path(path: Path) -> Path:
    """Where the rows without boxes go: `found.segm.json` beside `found.json`."""
    return path.with_name(f"{path.stem}.segm{path.suffix or '.json'}")


def write_results(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path | None:
    """Write rows with the file's ids, and beside them the same without boxes.

    pycocotools sorts what was found into small, medium and large by the box where a row has one,
    also when it measures masks. By convention files of masks therefore have no boxes, and our
    figures of masks are those of such a file. Returns its path, None if the rows have no masks.
    Raises `DatasetError` if a file cannot be written.
    """
    write_json(path, list(rows))
    if not all("segmentation" in row for row in rows):
        return None
    without = [{k: v for k, v in row.items() if k != "bbox"} for row in rows]
    write_json(masks_only_path(path), without)
    return masks_only_path(path)


@dataclass(frozen=True)
class ResultRows:
    """What a results file holds, with the data set's ids.

    rows: COCO result rows, `bbox` in each, `segmentation` (compressed run-lengths) in all or none.
    left_out: how many rows were about images that were not asked for.
    """

    rows: list[dict[str, Any]]
    left_out: int = 0

    @property
    def have_masks(self) -> bool:
        """Whether masks can be measured; also true without any row."""
        return all("segmentation" in row for row in self.rows)


def read_results(path: Path, numbering: Numbering, image_ids: Iterable[int]) -> ResultRows:
    """Read a COCO results file, or what `DetectionFile` wrote.

    The image of a row is given by `file_name` or `image` (a file name, or its last part where no
    other image has the same), else by `image_id`. Polygons and uncompressed run-lengths
    become compressed ones; a row without `bbox` gets that of its mask.

    Args:
        path: the file.
        numbering: what its ids mean.
        image_ids: the images wanted, by the data set's ids; other rows are left out.

    Raises:
        DatasetError: no such file or list; or the first row (counted from 1) that cannot be used.
    """
    data = read_json(path)
    if isinstance(data, dict) and "of" in data:
        data = data.get("results")
    if not isinstance(data, list):
        raise DatasetError(
            "this is not a COCO results file",
            path=path,
            expected="a list of rows with image_id, category_id, score and bbox or segmentation",
        )
    reader, wanted = _RowReader(numbering), {int(i) for i in image_ids}
    rows: list[dict[str, Any]] = []
    for number, entry in enumerate(data, 1):
        try:
            row = reader.row(entry)
            if rows and ("segmentation" in rows[0]) != ("segmentation" in row):
                has = "a" if "segmentation" in row else "no"
                raise _RowError(f"has {has} segmentation, unlike row 1: all rows need one, or none")
        except (_RowError, RunLengthError) as error:
            raise DatasetError(f"row {number} {error}", path=path) from None
        rows.append(row)
    kept = [row for row in rows if row["image_id"] in wanted]
    return ResultRows(kept, len(rows) - len(kept))


class _RowError(ValueError):
    """Why a row cannot be used, as the predicate of a sentence: "has ..."."""


class _RowReader:
    def __init__(self, numbering: Numbering) -> None:
        self.sizes = numbering.sizes
        self.by_id = {given: own for own, given in numbering.images.items()}
        self.by_name = _ids_by_name(numbering.names)
        self.classes = {given: own for own, given in numbering.categories.items()}
        self.classes |= numbering.more_categories

    def row(self, entry: Any) -> dict[str, Any]:
        if not isinstance(entry, dict):
            raise _RowError("is not an object with image_id, category_id, score and bbox")
        image_id = self._image(entry)
        category = entry.get("category_id")
        row: dict[str, Any] = {
            "image_id": image_id,
            "category_id": _look_up(self.classes, category, "category_id", "category"),
            "score": _score(entry.get("score")),
        }
        segmentation, box = entry.get("segmentation"), entry.get("bbox")
        if not segmentation and not box:
            raise _RowError("has neither bbox nor segmentation")
        run_lengths = None
        if segmentation:
            run_lengths = run_lengths_of(segmentation, *self.sizes[image_id])
        if box:
            row["bbox"] = _box(box)
        elif run_lengths:
            row["bbox"] = _box_of(run_lengths)
        return row | ({"segmentation": run_lengths} if run_lengths else {})

    def _image(self, entry: Mapping[str, Any]) -> int:
        for key in NAME_KEYS:
            name = entry.get(key)
            if isinstance(name, str):
                last = Path(name).name
                found = self.by_name.get(name, self.by_name.get(last))
                if found is None:
                    raise _RowError(f"names the {key} {name!r}, which is not in the data set")
                return found
        return _look_up(self.by_id, entry.get("image_id"), "image_id", "image")


def _ids_by_name(names: Mapping[int, str]) -> dict[str, int]:
    """Image ids by file name, and by its last part if that is unique."""
    by_name: dict[str, int] = {}
    doubled = set()
    for image_id, name in names.items():
        last = Path(name).name
        doubled |= {last} & by_name.keys()
        by_name[last] = image_id
    by_name = {name: i for name, i in by_name.items() if name not in doubled}
    return by_name | {name: image_id for image_id, name in names.items()}


def _look_up(known: Mapping[Any, int], value: Any, key: str, what: str) -> int:
    if value is None:
        raise _RowError(f"has no {key}")
    # In Python True is 1, and a list cannot be a key.
    if isinstance(value, bool | list | dict) or value not in known:
        few = ", ".join(map(repr, list(known)[:SHOWN])) + ", .." * (len(known) > SHOWN)
        raise _RowError(
            f"has the {key} {value!r}, which no {what} of the data set has; its ids are {few}"
        )
    return known[value]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _score(value: Any) -> float:
    if not _number(value):
        raise _RowError(f"has the score {value!r}: expected a finite number")
    return float(value)


def _box(value: Any) -> list[float]:
    right = isinstance(value, list) and len(value) == 4 and all(map(_number, value))
    if not right or min(value[2:]) < 0:
        raise _RowError(
            f"has the bbox {value!r}: expected [x, y, width, height], finite, the sizes not below 0"
        )
    return [float(number) for number in value]


def _box_of(run_lengths: Mapping[str, Any]) -> list[float]:
    from pycocotools import mask as coco_mask

    return np.asarray(coco_mask.toBbox(dict(run_lengths))).tolist()
