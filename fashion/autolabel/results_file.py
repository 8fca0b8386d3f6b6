"""Detections by any program, from a COCO results file, for labelling without a network.

The file is COCO's list of results, or an object with `annotations`, `images` and `categories`. The
picture of a row is named by `file_name` or `image`, or by `image_id`: an id of `images`, a file
name, or the name without its ending (a whole number also without leading zeros, as 42 for
000042.jpg). A row has a mask, as polygons or run-lengths; boxes alone give no outline.
"""

import csv
import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from fashion.json_files import read_json, reading
from fashion.labels import MODANET, MODANET_TABLE
from fashion.polygons.filling import rle_to_mask, run_lengths_of
from fashion.polygons.run_lengths import RunLengthError
from mrcnn.errors import DatasetError, counted

NAME_KEYS = ("file_name", "image")


@dataclass(frozen=True)
class FoundRow:
    """A row of a results file: its number from 1, ModaNet's class id, score, segmentation."""

    number: int
    class_id: int
    score: float
    segmentation: Any


def read_names(path: Path) -> dict[str, str]:
    """A table of category names or ids and ModaNet's garments: theirs, case-folded -> ours.

    A JSON object, or a CSV file of two columns. An empty garment, in JSON also null, leaves the
    category out ("" in the result). Raises `DatasetError` for a garment that does not exist.
    """
    if path.suffix.lower() == ".csv":
        with reading(path):
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        rows = [row for row in csv.reader(lines) if any(cell.strip() for cell in row)]
    else:
        data = read_json(path)
        rows = [[k, v or ""] for k, v in data.items()] if isinstance(data, dict) else [[]]
    names = {}
    for row in rows:
        if len(row) != 2 or not isinstance(row[1], str):
            raise DatasetError(
                "is not a table of names",
                path=path,
                expected='two columns, or an object such as {"handbag": "bag"}',
                found=row,
            )
        theirs, ours = row[0].strip().casefold(), row[1].strip()
        garment = MODANET_TABLE.find(ours)
        if ours and garment is None:
            raise DatasetError(
                f'"{ours}", for "{theirs}", is not a garment',
                path=path,
                advice=f"those are {', '.join(MODANET)}; an empty one leaves the category out",
            )
        names[theirs] = garment.name if garment else ""
    return names


class ResultsFile:
    """The rows of a results file, by picture.

    Args:
        path: the file.
        pictures: the names of all pictures that may be asked for.
        names: the file for `read_names`; categories that are not in it mean themselves.
        listing: a COCO file with the `images` and `categories` that ids refer to.
        least_score: rows with a lower score are skipped.

    Attributes:
        unknown_pictures: number of rows about other pictures.
        unknown_categories: number of rows of each category that is not a garment, by its name.
        digest: sha256 of all that determines what the rows mean.

    Raises:
        DatasetError: a file cannot be read; or a row, by its number, cannot be used.
    """

    def __init__(
        self,
        path: Path,
        pictures: Iterable[str],
        names: Path | None = None,
        listing: Path | None = None,
        least_score: float = 0.0,
    ):
        self.path = path
        self.unknown_pictures = 0
        self.unknown_categories: Counter[str] = Counter()
        self._names = read_names(names) if names else {}
        self._rows: dict[str, list[FoundRow]] = defaultdict(list)
        rows, head = _content(path)
        if listing:
            head = _content(listing)[1]
        self._categories = _by_id(head.get("categories"), "name")
        self._finder = _PictureFinder(pictures, _by_id(head.get("images"), "file_name"))
        for number, row in enumerate(rows, 1):
            self._add(number, row, least_score)
        for found in self._rows.values():
            found.sort(key=lambda row: -row.score)
        self.digest = self._digest(listing)

    def notes(self) -> str:
        """What is left out, one line each, for a terminal."""
        lines = []
        if self.unknown_pictures:
            found = counted(self.unknown_pictures, "detection")
            lines.append(f"Left out: {found} of other pictures.\n")
        for name, count in self.unknown_categories.most_common():
            found = counted(count, "detection")
            lines.append(f'Left out: {found} of "{name}", which is not a garment.\n')
        return "".join(lines)

    def _digest(self, listing: Path | None) -> str:
        digest = hashlib.sha256(repr(sorted(self._names.items())).encode())
        for path in (self.path, *([listing] if listing else [])):
            with path.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        return digest.hexdigest()

    def _add(self, number: int, row: Any, least_score: float) -> None:
        if not isinstance(row, dict):
            raise self._bad(number, "is not an object with image_id, category_id and score")
        score = row.get("score")
        if isinstance(score, bool) or not isinstance(score, int | float):
            raise self._bad(number, "has no score that is a number")
        if not math.isfinite(score):
            raise self._bad(number, "has a score that is not finite")
        if not row.get("segmentation"):
            raise self._bad(number, "has no segmentation, and a box alone makes no outline")
        if score < least_score:
            return
        garment = self._garment(number, row)
        picture = self._finder.find(row)
        if picture is None:
            self.unknown_pictures += 1
        elif garment:
            class_id = MODANET_TABLE.id_of(garment)
            self._rows[picture].append(FoundRow(number, class_id, score, row["segmentation"]))

    def _garment(self, number: int, row: Mapping[str, Any]) -> str:
        """ModaNet's name for a row's category; "" for one that is left out."""
        category = row.get("category_id")
        name = row.get("category_name", self._categories.get(str(category)))
        keys = [str(text).strip().casefold() for text in (name, category) if text is not None]
        for key in keys:
            if key in self._names:
                return self._names[key]
        if name is None:
            raise DatasetError(
                f"row {number} has the category {category!r}, whose name is not known",
                path=self.path,
                settings=("names", "listing"),
                advice="say what it is with {names}, or name a COCO file with the categories with "
                "{listing}",
            )
        found = MODANET_TABLE.find(name)
        if found is None:
            self.unknown_categories[str(name)] += 1
        return found.name if found else ""

    def _bad(self, number: int, why: str) -> DatasetError:
        return DatasetError(f"row {number} {why}", path=self.path)

    def detections(self, picture: str, height: int, width: int) -> dict[str, np.ndarray]:
        """What was found on a picture, as `MaskRCNN.detect` gives it, the highest score first.

        Returns:
            class_ids int32 [N] of ModaNet, scores float64 [N], masks bool [height, width, N].

        Raises:
            DatasetError: a mask is malformed, or of another size than the picture.
        """
        rows = self._rows.get(picture, [])
        masks = np.zeros((height, width, len(rows)), dtype=bool)
        for index, row in enumerate(rows):
            masks[..., index] = self._mask(row, height, width)
        return {
            "class_ids": np.array([row.class_id for row in rows], dtype=np.int32),
            "scores": np.array([row.score for row in rows], dtype=np.float64),
            "masks": masks,
        }

    def _mask(self, row: FoundRow, height: int, width: int) -> np.ndarray:
        try:
            return rle_to_mask(run_lengths_of(row.segmentation, height, width))
        except RunLengthError as error:
            raise self._bad(row.number, str(error)) from None


def _content(path: Path) -> tuple[list[Any], dict[str, Any]]:
    """The rows, and the object with `images` and `categories` (empty for a plain list)."""
    data = read_json(path)
    head = data if isinstance(data, dict) else {}
    rows = data if isinstance(data, list) else head.get("annotations", head.get("results", []))
    if not isinstance(data, list | dict) or not isinstance(rows, list):
        raise DatasetError(
            "is not a COCO results file",
            path=path,
            expected="a list of rows with image_id, category_id, score and segmentation",
        )
    return rows, head


def _by_id(entries: Any, value: str) -> dict[str, str]:
    """`value` of COCO's images or categories by their ids as text; entries without are skipped."""
    rows = entries if isinstance(entries, list) else []
    return {
        str(row["id"]): str(row[value])
        for row in rows
        if isinstance(row, dict) and "id" in row and value in row
    }


class _PictureFinder:
    """Which picture a row is about."""

    def __init__(self, pictures: Iterable[str], listed: Mapping[str, str]):
        self._pictures = set(pictures)
        self._listed = listed
        by_stem: dict[str, set[str]] = defaultdict(set)
        for name in self._pictures:
            stem = PurePosixPath(name).stem
            by_stem[stem].add(name)
            if stem.isdecimal():
                by_stem[str(int(stem))].add(name)
        # A stem that several pictures share means none of them.
        self._by_stem = {stem: min(names) for stem, names in by_stem.items() if len(names) == 1}

    def find(self, row: Mapping[str, Any]) -> str | None:
        """Its name; None if it is none of the pictures."""
        named = next((row[key] for key in NAME_KEYS if isinstance(row.get(key), str)), None)
        text = named or str(row.get("image_id"))
        name = PurePosixPath(self._listed.get(text, text) if named is None else text).name
        return name if name in self._pictures else self._by_stem.get(name)
