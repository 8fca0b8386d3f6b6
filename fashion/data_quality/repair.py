"""Repairs ModaNet's own defects in a COCO annotation file.

The published annotations of boots and footwear carry boxes whose width and height are right but
whose position is another polygon's, and many pairs of shoes carry both shoes in both instances. A
box's width and height therefore show which polygons are the instance's: see `repair`.
Doubled masks of one image are found, not repaired: see `doubled_masks`.
"""

import copy
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from fashion.annotations import coco
from fashion.labels import MODANET_TABLE
from mrcnn.errors import DatasetError

DEFECTIVE_CLASSES = ("boots", "footwear")
TOLERANCE = 1.0  # pixels by which a box may differ from its polygons' extent
MOST_PARTS = 10  # of an instance with more polygons, only one or all are tried
DOUBLED_IOU = 0.9
# How an instance was repaired: by one of its polygons, all together, or several but not all.
HOWS = ("one", "all", "several")


@dataclass(frozen=True, slots=True)
class Unrepaired:
    """An annotation whose box fits none of its polygons, nor any of them together.

    `bbox` and `extents` are x, y, width, height; one extent per polygon.
    """

    annotation: Any
    file: str
    label: str
    bbox: list[float]
    extents: list[list[float]]
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, annotation {self.annotation} ({self.label}): {self.reason}"


@dataclass(frozen=True, slots=True)
class Doubled:
    """Two annotations of one image whose masks are nearly the same."""

    file: str
    annotations: tuple[Any, Any]
    labels: tuple[str, str]
    iou: float

    def __str__(self) -> str:
        first, second = self.annotations
        same = self.labels[0] == self.labels[1]
        labels = self.labels[0] if same else " and ".join(self.labels)
        return f"{self.file}, annotations {first} and {second} ({labels}): IoU {self.iou:.2f}"


@dataclass(slots=True)
class ClassRow:
    """The counts of one class; `repaired` counts the repaired instances by how, see `HOWS`."""

    instances: int = 0
    wrong_before: int = 0
    wrong_after: int = 0
    repaired: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HOWS, 0))
    polygons_before: int = 0
    polygons_after: int = 0


@dataclass(slots=True)
class Repair:
    """A repaired COCO object in `data`, and what was done.

    `unrepaired` are the annotations that could not be repaired. `left_over` are polygons, as (file,
    annotation id, number of polygons), that after the repair belong to no instance of the image.
    """

    data: dict[str, Any]
    rows: dict[str, ClassRow] = field(default_factory=dict)
    unrepaired: list[Unrepaired] = field(default_factory=list)
    left_over: list[tuple[str, Any, int]] = field(default_factory=list)
    doubled_before: list[Doubled] = field(default_factory=list)
    doubled_after: list[Doubled] = field(default_factory=list)

    def total(self) -> ClassRow:
        """The sum of all classes."""
        total = ClassRow()
        for row in self.rows.values():
            for name, value in asdict(row).items():
                if name == "repaired":
                    total.repaired = {how: total.repaired[how] + value[how] for how in HOWS}
                else:
                    setattr(total, name, getattr(total, name) + value)
        return total

    def to_json(self) -> dict[str, Any]:
        """Counts by class and the full lists, as plain JSON."""
        return {
            "classes": {name: asdict(row) for name, row in self.rows.items()},
            "total": asdict(self.total()),
            "unrepaired": [asdict(entry) for entry in self.unrepaired],
            "left_over": [
                {"file": file, "annotation": annotation, "polygons": count}
                for file, annotation, count in self.left_over
            ],
            "doubled_before": [asdict(entry) for entry in self.doubled_before],
            "doubled_after": [asdict(entry) for entry in self.doubled_after],
        }


def repair(
    data: Mapping[str, Any],
    source: str = "the COCO data",
    *,
    classes: Iterable[str] = DEFECTIVE_CLASSES,
    several: bool = True,
) -> Repair:
    """A COCO object with the boxes and polygons of `classes` repaired; `data` is not changed.

    An annotation is wrong where its box differs from its polygons' extent by more than a pixel.
    The polygons kept are those whose extent has the box's width and height within a pixel: one, all
    together, or (unless `several` is False) several together; where more than one choice fits, the
    closest, then the fewest polygons, then those that no other annotation of the image has kept.
    Polygons within the new box that are in no other annotation are kept too. Then the box becomes
    that of the polygons, and the area is recomputed: that of the box where the file means that, as
    ModaNet's does, else that of the mask. Annotations that nothing fits are left as they are and
    listed. Run-length masks and crowds are ignored.

    Raises `DatasetError` when `data` is not a COCO file, or has none of the `classes`.
    """
    coco.check(data, source)
    result = Repair(copy.deepcopy(dict(data)))
    names = {coco.identity(entry["id"]): str(entry["name"]) for entry in data["categories"]}
    images = {coco.identity(entry["id"]): entry for entry in data["images"]}
    wanted = {_plain_name(name) for name in classes}
    if not wanted & {_plain_name(name) for name in names.values()}:
        raise DatasetError(
            f"it has no category {' or '.join(sorted(wanted))}",
            path=source,
            advice=f"its categories are {', '.join(names.values())}",
        )
    for image_id, annotations in _by_image(result.data["annotations"]).items():
        if image_id not in images:
            continue
        worker = _ImageRepair(images[image_id], names, several, result)
        worker.repair([a for a in annotations if _plain_name(_label(a, names)) in wanted])
    result.rows = {name: result.rows[name] for name in sorted(result.rows)}
    result.doubled_before = doubled_masks(data)
    result.doubled_after = doubled_masks(result.data)
    return result


class _ImageRepair:
    """Repairs the annotations of one image; the counts go to `result`."""

    def __init__(
        self, image: Mapping[str, Any], names: Mapping[Any, str], several: bool, result: Repair
    ) -> None:
        self.image = image
        self.names = names
        self.several = several
        self.result = result
        self.kept: dict[tuple, int] = defaultdict(int)

    def repair(self, annotations: list[dict[str, Any]]) -> None:
        """Repair in place those of `annotations` that are wrong."""
        annotations = [a for a in annotations if _has_polygons(a)]
        choices = []
        for annotation in annotations:
            row = self.result.rows.setdefault(_label(annotation, self.names), ClassRow())
            row.instances += 1
            row.polygons_before += len(annotation["segmentation"])
            if _is_right(annotation):
                self._keep(annotation["segmentation"])
                continue
            row.wrong_before += 1
            found = _choices(annotation, self.several)
            if found:
                choices.append((annotation, found))
            else:
                self._give_up(annotation)
        chosen = self._choose(choices)
        self._give_back(chosen)
        self._list_left_over(chosen)
        for annotation, numbers in chosen:
            self._apply(annotation, numbers)
        for annotation in annotations:
            row = self.result.rows[_label(annotation, self.names)]
            row.polygons_after += len(annotation["segmentation"])
            row.wrong_after += not _is_right(annotation)

    def _keep(self, polygons: Iterable[Sequence[float]]) -> None:
        for polygon in polygons:
            self.kept[tuple(polygon)] += 1

    def _give_up(self, annotation: dict[str, Any]) -> None:
        self._keep(annotation["segmentation"])
        extents = [_extent([polygon]).tolist() for polygon in annotation["segmentation"]]
        width, height = annotation["bbox"][2:]
        reason = f"no polygon is {width:g} x {height:g} pixels as its bbox is, nor are several"
        self.result.unrepaired.append(
            Unrepaired(
                annotation.get("id"),
                str(self.image["file_name"]),
                _label(annotation, self.names),
                list(annotation["bbox"]),
                extents,
                reason if self.several else reason.replace("several", "all together"),
            )
        )

    def _choose(
        self, choices: list[tuple[dict[str, Any], list[tuple[int, ...]]]]
    ) -> list[tuple[dict[str, Any], list[int]]]:
        """One choice for each annotation; those with the fewest to choose from first."""
        chosen = []
        for annotation, found in sorted(choices, key=lambda entry: len(entry[1])):
            polygons = annotation["segmentation"]
            taken = [sum(self.kept[tuple(polygons[i])] for i in numbers) for numbers in found]
            best = found[taken.index(min(taken))]
            self._keep(polygons[i] for i in best)
            row = self.result.rows[_label(annotation, self.names)]
            row.repaired[_how(annotation, best)] += 1
            chosen.append((annotation, list(best)))
        return chosen

    def _give_back(self, chosen: list[tuple[dict[str, Any], list[int]]]) -> None:
        """Give each polygon that nobody kept to the first instance in whose new box it lies."""
        for annotation, numbers in chosen:
            polygons = annotation["segmentation"]
            box = _extent([polygons[i] for i in numbers])
            for number, polygon in enumerate(polygons):
                if not self.kept[tuple(polygon)] and _contains(box, _extent([polygon])):
                    numbers.append(number)
                    self._keep([polygon])

    def _list_left_over(self, chosen: list[tuple[dict[str, Any], list[int]]]) -> None:
        seen: set[tuple[float, ...]] = set()
        for annotation, _ in chosen:
            lost = {tuple(p) for p in annotation["segmentation"] if not self.kept[tuple(p)]} - seen
            seen |= lost
            if lost:
                entry = (str(self.image["file_name"]), annotation.get("id"), len(lost))
                self.result.left_over.append(entry)

    def _apply(self, annotation: dict[str, Any], numbers: list[int]) -> None:
        polygons, box = annotation["segmentation"], annotation["bbox"]
        area_of_box = annotation.get("area") == box[2] * box[3]
        annotation["segmentation"] = [polygons[i] for i in sorted(numbers)]
        annotation["bbox"] = [_number(v) for v in _extent(annotation["segmentation"])]
        if area_of_box:
            annotation["area"] = _number(annotation["bbox"][2] * annotation["bbox"][3])
        elif "area" in annotation:
            annotation["area"] = int(coco_mask.area(_run_lengths(annotation, self.image)))


def doubled_masks(data: Mapping[str, Any], least_iou: float = DOUBLED_IOU) -> list[Doubled]:
    """The pairs of annotations of one image, of any class, whose masks overlap at `least_iou`."""
    names = {coco.identity(entry["id"]): str(entry["name"]) for entry in data["categories"]}
    images = {coco.identity(entry["id"]): entry for entry in data["images"]}
    found = []
    for image_id, annotations in _by_image(data["annotations"]).items():
        annotations = [a for a in annotations if _has_polygons(a)]
        if image_id not in images or len(annotations) < 2:
            continue
        extents = np.array([_extent(a["segmentation"]) for a in annotations])
        # Masks that are nearly the same have nearly the same extent: few need to be filled.
        near = coco_mask.iou(extents, extents, [0] * len(extents)) >= least_iou / 2
        for i, j in np.argwhere(np.triu(near, 1)):
            pair = annotations[i], annotations[j]
            first, second = (_run_lengths(a, images[image_id]) for a in pair)
            iou = float(coco_mask.iou([first], [second], [0])[0, 0])
            if iou >= least_iou:
                ids = pair[0].get("id"), pair[1].get("id")
                labels = _label(pair[0], names), _label(pair[1], names)
                file = str(images[image_id]["file_name"])
                found.append(Doubled(file, ids, labels, round(iou, 4)))
    return found


def _by_image(annotations: Iterable[dict[str, Any]]) -> dict[Any, list[dict[str, Any]]]:
    by_image = defaultdict(list)
    for annotation in annotations:
        by_image[coco.identity(annotation.get("image_id"))].append(annotation)
    return by_image


def _label(annotation: Mapping[str, Any], names: Mapping[Any, str]) -> str:
    return names.get(coco.identity(annotation.get("category_id")), "unknown class")


def _plain_name(name: str) -> str:
    row = MODANET_TABLE.find(name)
    return row.name if row else name.strip().casefold()


def _has_polygons(annotation: Mapping[str, Any]) -> bool:
    """Whether an annotation has a box and polygons that can be compared."""
    polygons, box = annotation.get("segmentation"), annotation.get("bbox")
    return (
        not annotation.get("iscrowd")
        and isinstance(box, list)
        and len(box) == 4
        and isinstance(polygons, list)
        and len(polygons) > 0
        and all(isinstance(p, list) and len(p) >= 6 and len(p) % 2 == 0 for p in polygons)
    )


def _extent(polygons: Sequence[Sequence[float]]) -> np.ndarray:
    """x, y, width, height, float64 [4], of some flat x, y, x, y polygons together."""
    points = np.concatenate([np.asarray(p, dtype=np.float64) for p in polygons]).reshape(-1, 2)
    low = points.min(axis=0)
    return np.concatenate([low, points.max(axis=0) - low])


def _contains(box: np.ndarray, inner: np.ndarray) -> bool:
    low, high = box[:2] - TOLERANCE, box[:2] + box[2:] + TOLERANCE
    return bool((inner[:2] >= low).all() and (inner[:2] + inner[2:] <= high).all())


def _is_right(annotation: Mapping[str, Any]) -> bool:
    extent = _extent(annotation["segmentation"])
    return bool(np.abs(extent - np.asarray(annotation["bbox"], float)).max() <= TOLERANCE)


def _how(annotation: Mapping[str, Any], numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return "one"
    return "all" if _misfit(_extent(annotation["segmentation"]), annotation) == 0 else "several"


def _misfit(extent: np.ndarray, annotation: Mapping[str, Any]) -> float:
    return float(np.abs(extent[2:] - np.asarray(annotation["bbox"][2:], dtype=np.float64)).max())


def _choices(annotation: Mapping[str, Any], several: bool) -> list[tuple[int, ...]]:
    """The sets of polygons (by number) whose extent fits the box best, within the tolerance.

    Of nested sets only the smallest counts.
    """
    extents = [_extent([polygon]) for polygon in annotation["segmentation"]]
    low = np.array([extent[:2] for extent in extents])
    high = np.array([extent[:2] + extent[2:] for extent in extents])
    count = len(extents)
    sizes = range(1, count + 1) if several and count <= MOST_PARTS else sorted({1, count})
    fitting: list[tuple[float, tuple[int, ...]]] = []
    for numbers in (set_ for size in sizes for set_ in combinations(range(count), size)):
        index = list(numbers)
        least = low[index].min(axis=0)
        extent = np.concatenate([least, high[index].max(axis=0) - least])
        misfit = _misfit(extent, annotation)
        if misfit <= TOLERANCE:
            fitting.append((misfit, numbers))
    if not fitting:
        return []
    best = min(misfit for misfit, _ in fitting) + 1e-6
    smallest: list[tuple[int, ...]] = []
    for misfit, numbers in fitting:
        if misfit <= best and not any(set(other) <= set(numbers) for other in smallest):
            smallest.append(numbers)
    return smallest


def _run_lengths(annotation: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, Any]:
    """The mask of an annotation in pycocotools' form; without an image size, on its own extent."""
    polygons = annotation["segmentation"]
    x, y, width, height = _extent(polygons)
    size = image.get("height") or int(y + height) + 1, image.get("width") or int(x + width) + 1
    return coco_mask.merge(coco_mask.frPyObjects(polygons, *size))


def _number(value: float) -> int | float:
    return int(value) if float(value).is_integer() else float(value)
