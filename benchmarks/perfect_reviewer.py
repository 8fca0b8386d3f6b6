"""A reviewer that knows the truth: it decides as a careful person would, and counts its actions.

A label is accepted where it overlaps a garment by three quarters and its class is right; where only
the class is wrong, that is changed. All others are rejected, and what is then missing is drawn: the
truth's outline, saved as a correction.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco_mask

from fashion.annotations import via
from fashion.annotations.annotated import AnnotatedImage, Annotations, Region
from fashion.annotations.instances import group_regions, image_instances, region_score
from fashion.json_files import file_digest
from fashion.labels import MODANET_TABLE
from fashion.polygons.filling import polygons_to_mask
from fashion.review.applying import relabel
from fashion.review.decision_log import WHOLE, Decision, DecisionLog
from fashion.review.page import instance_key
from fashion.rounds.folder import Round, RoundsFolder

RIGHT = 0.75  # intersection over union from which an outline is good enough


@dataclass(frozen=True)
class Work:
    """What a person did: keys pressed (a label, or "a garment is missing"), outlines drawn."""

    keys: int = 0
    outlines: int = 0

    def __add__(self, other: "Work") -> "Work":
        return Work(self.keys + other.keys, self.outlines + other.outlines)


def review(
    folder: RoundsFolder, one: Round, names: Iterable[str], truth: Mapping[str, AnnotatedImage]
) -> Work:
    """Decide on the named pictures as `rounds.py review` records it, and correct them."""
    wanted = set(names)
    log: list[Decision] = []
    corrected = Annotations()
    work = Work()
    for image in via.read(one.labels):
        if image.filename in wanted:
            decisions, result, outlines = decide(image, truth[image.filename])
            work += Work(len(decisions), outlines)
            log += decisions
            if outlines:
                corrected.images.append(result)
    one.log().unlink(missing_ok=True)  # of a run that was interrupted here
    with DecisionLog(one.log(), one.labels.name, file_digest(one.labels)) as written:
        written.append(log)
    via.write(folder.corrections / f"{one.folder.name}.json", corrected)
    return work


def decide(
    image: AnnotatedImage, truth: AnnotatedImage
) -> tuple[list[Decision], AnnotatedImage, int]:
    """The decisions on an image, how it looks afterwards, and how many outlines were drawn."""
    found, wanted = group_regions(image.regions), group_regions(truth.regions)
    overlaps = _overlaps(found, wanted, truth)
    left = set(range(len(wanted)))
    kept: list[Region] = []
    decisions = []
    for number in sorted(
        range(len(found)), key=lambda n: -(region_score(found[n][0].attributes) or 0)
    ):
        regions = copy.deepcopy(found[number])
        best = max(left, key=lambda n: (overlaps[number, n], -n), default=None)
        key = instance_key(regions)
        if best is None or overlaps[number, best] < RIGHT:
            decisions.append(Decision(image.filename, key, "reject"))
            continue
        left.remove(best)
        mine, right = (_class_name(group, truth) for group in (regions, wanted[best]))
        if mine != right:
            relabel(regions, right)
        label = right if mine != right else ""
        decisions.append(Decision(image.filename, key, "accept", label=label))
        kept += regions
    if left:
        decisions.append(Decision(image.filename, WHOLE, "outline"))
    elif not found:
        decisions.append(Decision(image.filename, WHOLE, "accept"))
    drawn = [region for n in sorted(left) for region in copy.deepcopy(wanted[n])]
    for region in drawn:
        region.attributes["instance"] = f"drawn {region.instance}"
    result = copy.copy(image)
    result.regions = kept + drawn
    for number, region in enumerate(result.regions, 1):
        region.number = number
    return decisions, result, len(left)


def _class_name(regions: Sequence[Region], image: AnnotatedImage) -> str:
    (instance,), _ = image_instances(_with(image, regions), MODANET_TABLE)
    return MODANET_TABLE.name_of(instance.class_id)


def _with(image: AnnotatedImage, regions: Sequence[Region]) -> AnnotatedImage:
    part = copy.copy(image)
    part.regions = list(regions)
    return part


def _overlaps(
    found: Sequence[Sequence[Region]], wanted: Sequence[Sequence[Region]], image: AnnotatedImage
) -> np.ndarray:
    """IoU of masks, [labels, garments]."""
    if not found or not wanted:
        return np.zeros((len(found), len(wanted)))
    sides = [[_run_lengths(regions, image) for regions in groups] for groups in (found, wanted)]
    return np.asarray(coco_mask.iou(*sides, [0] * len(wanted)))


def _run_lengths(regions: Sequence[Region], image: AnnotatedImage) -> dict:
    (instance,), _ = image_instances(_with(image, regions), MODANET_TABLE)
    mask = polygons_to_mask(instance.parts, instance.holes, image.height, image.width)
    return coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))


def drawn(image: AnnotatedImage) -> int:
    """How many outlines a person draws when labelling an image from scratch."""
    return len(group_regions(image.regions))
