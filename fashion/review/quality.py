"""How good automatic labels are: matched with the truth, instance by instance.

An automatic instance matches a true one of the same image and label when their masks' IoU reaches
the threshold; pairs are matched from the greatest IoU down, each instance once. Precision is the
matched share of the automatic instances, recall that of the true ones. The truth of season labels
may name garments instead: the season is then that of the file name, and only instances of the
garment that the file is named for are expected. Automatic labels without any season are garments,
ModaNet's or others, and are compared by their names.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from fashion.annotations.instances import (
    Instance,
    LabelError,
    group_regions,
    region_label,
    region_score,
)
from fashion.annotations.problems import Problem
from fashion.annotations.via_reading import ViaFile, ViaImage
from fashion.labels import (
    MODANET_TABLE,
    ClassTable,
    canonical_name,
    coded_garment,
    decode,
    parse_file_name,
    season_label,
)
from fashion.polygons.filling import polygons_to_crop
from mrcnn.errors import DatasetError

IOU_THRESHOLD = 0.5


@dataclass(slots=True)
class LabelledGarment:
    """One instance with its label as text; `outlines` are parts and holes."""

    label: str
    outlines: Instance

    @property
    def points(self) -> list[int]:
        """Points of each polygon, holes too."""
        return [len(points) for points in (*self.outlines.parts, *self.outlines.holes)]


@dataclass(slots=True)
class Comparison:
    """An automatic and a true instance that match, or one of them alone (then the IoU is 0)."""

    image: str
    label: str
    auto: LabelledGarment | None
    truth: LabelledGarment | None
    iou: float = 0.0


@dataclass
class LabelQuality:
    """The comparisons of a whole file, and what could not be compared.

    Attributes:
        comparisons: matches, and instances without a match.
        images: number of images compared.
        unlabelled: true images that the automatic file does not have.
        problems: regions of the truth whose label is not known.
    """

    comparisons: list[Comparison] = field(default_factory=list)
    images: int = 0
    unlabelled: int = 0
    problems: list[Problem] = field(default_factory=list)

    def labels(self) -> list[str]:
        """All labels that occur on either side, in the order of their names."""
        return sorted({comparison.label for comparison in self.comparisons})

    def figures(self, label: str | None = None) -> dict[str, Any]:
        """Counts and shares of one label, or of all; a share of nothing is None."""
        chosen = [c for c in self.comparisons if label in (None, c.label)]
        matched = [c for c in chosen if c.auto and c.truth]
        autos = [c.auto for c in chosen if c.auto]
        truths = [c.truth for c in chosen if c.truth]
        return {
            "truth": len(truths),
            "auto": len(autos),
            "matched": len(matched),
            "precision": _share(len(matched), len(autos)),
            "recall": _share(len(matched), len(truths)),
            "mean_iou": _mean([c.iou for c in matched]),
            "points_auto": _mean([n for garment in autos for n in garment.points]),
            "points_truth": _mean([n for garment in truths for n in garment.points]),
        }

    def worst(self, count: int) -> list[str]:
        """The names of the `count` images with the worst labels, the worst first.

        An image is as bad as its worst instance; of images that miss a garment or have one too
        many, those where more of them are wrong come first. Images without a fault are left out.
        """
        by_image: dict[str, list[float]] = defaultdict(list)
        for comparison in self.comparisons:
            by_image[comparison.image].append(comparison.iou)
        faults = {name: ious for name, ious in by_image.items() if min(ious) < 1}
        order = sorted(faults, key=lambda name: (min(faults[name]), -faults[name].count(0.0), name))
        return order[:count]

    def as_json(self) -> dict[str, Any]:
        """All figures as JSON values."""
        return {
            "images": self.images,
            "images_not_labelled": self.unlabelled,
            "all": self.figures(),
            "labels": {label: self.figures(label) for label in self.labels()},
        }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def compare_labels(
    auto: ViaFile,
    truth: ViaFile,
    *,
    threshold: float = IOU_THRESHOLD,
    all_garments: bool = False,
    labelled_only: bool = False,
    table: ClassTable | None = None,
    progress: Callable[[], object] = lambda: None,
) -> LabelQuality:
    """Match every image's automatic labels with the true ones.

    all_garments: where labels have seasons and the truth names garments, expect all of them with
    the file's season, not the garment of the file's name alone. labelled_only: leave out images
    that the automatic file does not have, instead of counting their garments as missed. table: the
    classes, whose aliases are the same label; None: season labels or ModaNet's garments. `progress`
    is called once per image.
    """
    quality = LabelQuality()
    seasons = table is None and _have_seasons(auto)
    garment = _garment_of(table or MODANET_TABLE)
    autos = {PurePosixPath(image.filename).name: image for image in auto}
    truths = {PurePosixPath(image.filename).name: image for image in truth}
    for name in dict.fromkeys([*truths, *autos]):
        progress()
        quality.unlabelled += name not in autos
        if name not in autos and labelled_only:
            continue
        quality.images += 1
        if seasons:
            expected = _instances(truths.get(name), _expected(all_garments), quality.problems)
            found = _instances(autos.get(name), lambda text, _: _decoded(text), [])
        else:
            expected = _instances(truths.get(name), garment, [])
            found = _instances(autos.get(name), garment, [])
        size = _size(truths.get(name)) or _size(autos.get(name))
        quality.comparisons += _match(name, found, expected, size, threshold)
    return quality


def _size(image: ViaImage | None) -> tuple[int, int] | None:
    if image is None or not (image.height and image.width):
        return None
    return image.height, image.width


def _have_seasons(auto: ViaFile) -> bool:
    """Whether automatic labels are season labels; if there are none, the images' names decide."""
    texts = {region_label(region) for image in auto for region in image.regions}
    names = {_decoded(text) for text in texts} or {image.filename for image in auto}
    return not names or any(isinstance(parse_file_name(name), tuple) for name in names)


def _instances(
    image: ViaImage | None,
    label_of: Callable[[str, str], str | None],
    problems: list[Problem],
) -> list[LabelledGarment]:
    """The instances of an image; `label_of` gives a label from its text and the image's name.

    An instance without a label (None) is left out; a `LabelError` becomes a problem.
    """
    garments: list[LabelledGarment] = []
    if image is None:
        return garments
    for regions in group_regions(image.regions):
        solid = [region for region in regions if not region.is_hole]
        if not solid:
            continue
        try:
            label = label_of(region_label(solid[0]), image.filename)
        except LabelError as error:
            problems.append(Problem(image.filename, regions[0].number, str(error)))
            continue
        if label is not None:
            holes = [region.points for region in regions if region.is_hole]
            score = region_score(solid[0].attributes)
            parts = [region.points for region in solid]
            garments.append(LabelledGarment(label, Instance(0, parts, holes, score=score)))
    return garments


def _decoded(label: str) -> str:
    """The season label of a region code: files of the original labeller have nothing else."""
    try:
        return "_".join(decode(label))
    except DatasetError:
        return label


def _garment_of(table: ClassTable) -> Callable[[str, str], str]:
    def garment(label: str, _: str) -> str:
        """The class that a label names, with or without a season; unchanged if there is none."""
        named = parse_file_name(label)
        text = named[0] if isinstance(named, tuple) else label
        row = table.find(text)
        return row.name if row else text

    return garment


def _expected(all_garments: bool) -> Callable[[str, str], str | None]:
    """The season label that a true label means; None for a garment that is not expected."""

    def season_label_of(label: str, filename: str) -> str | None:
        if isinstance(parse_file_name(label), tuple):
            return label
        named = parse_file_name(filename)
        if isinstance(named, str):
            raise LabelError(f"its label is a garment, but {named}")
        garment, season = named
        own = canonical_name(label)
        if own is None:
            raise LabelError(f'its label "{label}" is neither a garment nor a season label')
        if not all_garments and coded_garment(own) != coded_garment(garment):
            return None
        return season_label(own, season)

    return season_label_of


def _match(
    name: str,
    found: list[LabelledGarment],
    expected: list[LabelledGarment],
    size: tuple[int, int] | None,
    threshold: float,
) -> Iterable[Comparison]:
    size = size or _extent([*found, *expected])
    masks = {id(g): _crop(g, size) for g in [*found, *expected]}
    pairs = [
        (mask_iou(masks[id(a)], masks[id(t)]), i, j)
        for i, a in enumerate(found)
        for j, t in enumerate(expected)
        if a.label == t.label
    ]
    free_found, free_expected = set(range(len(found))), set(range(len(expected)))
    matches = []
    for iou, i, j in sorted(pairs, key=lambda pair: -pair[0]):
        if iou >= threshold and i in free_found and j in free_expected:
            free_found.remove(i)
            free_expected.remove(j)
            matches.append(Comparison(name, found[i].label, found[i], expected[j], iou))
    matches += [Comparison(name, found[i].label, found[i], None) for i in sorted(free_found)]
    matches += [
        Comparison(name, expected[j].label, None, expected[j]) for j in sorted(free_expected)
    ]
    return matches


def _extent(garments: list[LabelledGarment]) -> tuple[int, int]:
    """A size that holds all outlines, for images whose size is in neither file."""
    points = [part for garment in garments for part in garment.outlines.parts]
    if not points:
        return 1, 1
    x, y = np.concatenate(points).max(axis=0)
    return int(np.ceil(y)) + 1, int(np.ceil(x)) + 1


def _crop(garment: LabelledGarment, size: tuple[int, int]):
    return polygons_to_crop(garment.outlines.parts, garment.outlines.holes, *size)


def mask_iou(one: tuple[np.ndarray, Any], other: tuple[np.ndarray, Any]) -> float:
    """The IoU of two masks, each given as a crop (bool [h, w]) and its (top, left) in the image."""
    (a, (top_a, left_a)), (b, (top_b, left_b)) = one, other
    top, left = max(top_a, top_b), max(left_a, left_b)
    bottom = min(top_a + a.shape[0], top_b + b.shape[0])
    right = min(left_a + a.shape[1], left_b + b.shape[1])
    shared = 0
    if bottom > top and right > left:
        part_a = a[top - top_a : bottom - top_a, left - left_a : right - left_a]
        part_b = b[top - top_b : bottom - top_b, left - left_b : right - left_b]
        shared = int((part_a & part_b).sum())
    union = int(a.sum()) + int(b.sum()) - shared
    return shared / union if union else 0.0
