"""Label maps (a number for each pixel) as COCO instances.

A map is an indexed or grey PNG, or a MATLAB file in the layouts of versions 4 to 7.2: data sets of
clothing parsing (Clothing Co-Parsing, ATR, LIP, CFPD) come in this form. A table says which class
each number means. The pixels of one number are one instance, except in classes of pairs, which are
divided into a left and a right one.
"""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fashion.json_files import read_json
from fashion.labels import ClassTable
from mrcnn.errors import DatasetError, counted
from mrcnn.evaluation.coco_ap import outline_of
from mrcnn.images.reading import opened

SUFFIXES = (".png", ".mat")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
PAIRS = ("boots", "footwear")
MINIMUM_AREA = 40
# The least share of all pixels that the second part of a pair must have; less is a crumb.
SECOND_PART = 0.15


@dataclass(frozen=True)
class Label:
    """What a number in a label map means: a class, and the data set's own, finer name."""

    class_name: str
    fine: str = ""


@dataclass
class Conversion:
    """The COCO data made of label maps, and what was found.

    Attributes:
        data: a COCO dictionary.
        too_small: instances left out for their size.
        unknown: pixels of numbers that the table does not name, by number.
    """

    data: dict[str, Any]
    too_small: int = 0
    unknown: dict[int, int] = field(default_factory=dict)

    def summary(self) -> str:
        """What was converted, in one or two lines."""
        images, annotations = self.data["images"], self.data["annotations"]
        text = f"{counted(len(images), 'image')}, {counted(len(annotations), 'instance')}"
        if self.too_small:
            text += f", {self.too_small} left out as too small"
        if self.unknown:
            numbers = ", ".join(map(str, sorted(self.unknown)))
            text += f"\nNumbers that the table does not name, left out: {numbers}"
        return text


def read_label_table(path: str | os.PathLike[str], classes: ClassTable) -> dict[int, Label]:
    """The table of a data set's numbers: a JSON object from number to class.

    `{"1": "bag", "7": {"class": "footwear", "name": "heels"}}`; numbers that mean none of the
    classes are left out.

    Raises:
        DatasetError: the file is not such a table, or names a class that `classes` lacks.
    """
    data = read_json(path)
    expected = 'an object such as {"1": "bag", "7": {"class": "footwear", "name": "heels"}}'
    if not isinstance(data, dict) or not data:
        raise DatasetError("it is not a table of labels", path=path, expected=expected)
    labels = {}
    for key, value in data.items():
        entry = value if isinstance(value, dict) else {"class": value}
        row = classes.find(entry.get("class"))
        if not key.isdecimal() or row is None:
            names = ", ".join(classes.names)
            raise DatasetError(
                f'the entry "{key}" is not a number with a class',
                path=path,
                expected=f"{expected}, of the classes {names}",
                found=value,
            )
        labels[int(key)] = Label(row.name, str(entry.get("name") or ""))
    return labels


def read_label_map(path: Path, variable: str | None = None) -> np.ndarray:
    """The numbers of a map, whole and of at least 0, [height, width].

    Args:
        path: an indexed or grey PNG, or a MATLAB file.
        variable: the name of the matrix in a MATLAB file; None: the only one there.

    Raises:
        DatasetError: the file is damaged, or holds something else.
    """
    numbers = _of_matlab(path, variable) if path.suffix.lower() == ".mat" else _of_picture(path)
    whole = numbers.dtype.kind in "uib" or np.array_equal(numbers, np.floor(numbers))
    if not whole or (numbers.size and numbers.min() < 0):
        raise DatasetError(
            "its numbers are not labels", path=path, expected="whole numbers of at least 0"
        )
    return numbers.astype(np.int64)


def _of_picture(path: Path) -> np.ndarray:
    with opened(path) as image:
        if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
            raise DatasetError(
                "it is not a label map",
                path=path,
                expected="an indexed or grey PNG",
                found=image.mode,
            )
        return np.asarray(image)


def _of_matlab(path: Path, variable: str | None) -> np.ndarray:
    import scipy.io

    try:
        found = scipy.io.loadmat(path, variable_names=variable)
    except NotImplementedError as error:
        raise DatasetError(
            "it has the layout of MATLAB 7.3",
            path=path,
            expected="version 7.2 or earlier",
            advice="save it with -v7",
        ) from error
    # What scipy raises for a damaged file is documented nowhere.
    except (OSError, ValueError, TypeError, KeyError, scipy.io.matlab.MatReadError) as error:
        raise DatasetError(f"it is not a MATLAB file ({error})", path=path) from error
    matrices = {
        name: value
        for name, value in found.items()
        if isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind in "uifb"
    }
    if len(matrices) != 1:
        names = ", ".join(sorted(matrices)) or "none"
        raise DatasetError(
            "it does not hold one matrix of numbers" + f" {variable}" * bool(variable),
            path=path,
            found=names,
            advice="name the matrix",
        )
    return next(iter(matrices.values()))


def divide_pair(mask: np.ndarray) -> list[np.ndarray]:
    """The two parts of a pair, larger first; the mask itself if there is only one.

    The parts are its two largest connected areas (8 neighbours), if the second has at least
    `SECOND_PART` of its pixels. Every other area joins the one whose centre is nearer.

    Args:
        mask: bool [height, width].
    """
    _, areas, facts, centres = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    pixels = facts[:, cv2.CC_STAT_AREA]
    pair = 1 + np.argsort(-pixels[1:], kind="stable")[:2]
    if len(pair) < 2 or pixels[pair[1]] < SECOND_PART * pixels[1:].sum():
        return [mask]
    distances = np.linalg.norm(centres[:, None] - centres[pair], axis=2)
    nearest = np.argmin(distances, axis=1)
    return [mask & (nearest[areas] == part) for part in (0, 1)]


def map_instances(
    numbers: np.ndarray,
    labels: Mapping[int, Label],
    *,
    pairs: Collection[str] = PAIRS,
    minimum_area: int = MINIMUM_AREA,
) -> tuple[list[tuple[Label, np.ndarray]], int]:
    """The instances of a label map, in the order of its numbers, and how many were too small.

    Args:
        numbers: whole numbers [height, width].
        labels: what they mean.
        pairs: classes whose pixels are divided in two, see `divide_pair`.
        minimum_area: instances of fewer pixels are left out.
    """
    found, too_small = [], 0
    for number in np.unique(numbers):
        label = labels.get(int(number))
        if label is None:
            continue
        mask = numbers == number
        for part in divide_pair(mask) if label.class_name in pairs else [mask]:
            if part.sum() < minimum_area:
                too_small += 1
            else:
                found.append((label, part))
    return found, too_small


def convert_label_maps(
    paths: Iterable[Path],
    labels: Mapping[int, Label],
    classes: ClassTable,
    *,
    images: Path | None = None,
    variable: str | None = None,
    pairs: Collection[str] = PAIRS,
    minimum_area: int = MINIMUM_AREA,
) -> Conversion:
    """COCO data of label maps.

    Args:
        paths: the maps; each belongs to the photograph of the same name with another ending.
        labels: what their numbers mean.
        classes: the categories.
        images: the folder of the photographs; None: each is assumed to be a JPEG.
        variable: as for `read_label_map`.
        pairs: as for `map_instances`.
        minimum_area: as for `map_instances`.

    Raises:
        DatasetError: a map cannot be read, or its photograph is missing.
    """
    categories = [{"id": row.id, "name": row.name} for row in classes]
    data: dict[str, Any] = {"info": {}, "images": [], "annotations": [], "categories": categories}
    result = Conversion(data)
    for number, path in enumerate(paths, 1):
        numbers = read_label_map(path, variable)
        height, width = numbers.shape
        name = _photograph_of(path, images)
        data["images"].append({"id": number, "file_name": name, "width": width, "height": height})
        found, too_small = map_instances(numbers, labels, pairs=pairs, minimum_area=minimum_area)
        result.too_small += too_small
        _count_unknown(numbers, labels, result.unknown)
        for label, mask in found:
            entry = {"id": len(data["annotations"]) + 1, "image_id": number}
            entry |= {"category_id": classes.id_of(label.class_name), "iscrowd": 0}
            data["annotations"].append(entry | outline_of(mask) | _fine(label))
    return result


def _fine(label: Label) -> dict[str, str]:
    return {"fine": label.fine} if label.fine else {}


def _count_unknown(
    numbers: np.ndarray, labels: Mapping[int, Label], unknown: dict[int, int]
) -> None:
    values, counts = np.unique(numbers, return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        if value and value not in labels:
            unknown[value] = unknown.get(value, 0) + count


def _photograph_of(path: Path, images: Path | None) -> str:
    if images is None:
        return f"{path.stem}.jpg"
    for suffix in (*IMAGE_SUFFIXES, *(s.upper() for s in IMAGE_SUFFIXES)):
        if (images / (path.stem + suffix)).is_file():
            return path.stem + suffix
    raise DatasetError(
        "the label map has no photograph",
        path=path,
        expected=f"{path.stem} with an ending such as .jpg in {images}",
    )


def list_label_maps(folder: Path, names: Sequence[str] | None = None) -> list[Path]:
    """The maps of a folder in the order of their names.

    Args:
        folder: where they are.
        names: the stems of the maps wanted; None: all.

    Raises:
        DatasetError: there is none, or one that is wanted is missing.
    """
    paths = {
        path.stem: path for path in sorted(folder.glob("*")) if path.suffix.lower() in SUFFIXES
    }
    wanted = list(paths) if names is None else list(names)
    missing = [name for name in wanted if name not in paths]
    if missing or not wanted:
        raise DatasetError(
            f"there is no label map {missing[0]}" if missing else "there is no label map",
            path=folder,
            expected="PNG or MATLAB files",
        )
    return [paths[name] for name in wanted]
