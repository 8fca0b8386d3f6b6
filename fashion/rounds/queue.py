"""Which pictures are most worth a look: the order in which a round proposes them.

The priority of a picture is the sum of three numbers from 0 to 1:

- uncertainty: how little sure its least sure label is, between the confidence from which detections
  become labels (1) and certainty (0); half for a picture without a label;
- disagreement: the share of the labels of the last two models that only one of them gave (classes
  must agree, and the boxes overlap by half); 0 in the first round;
- rarity: 1 / sqrt(1 + n), where n is how often people have decided on a label of its rarest class.

Of near-duplicates the first is proposed; the others come last, and so do those of a picture that is
decided.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fashion.annotations.annotated import AnnotatedImage
from fashion.annotations.instances import group_regions, region_label, region_score

OVERLAP = 0.5


@dataclass(frozen=True)
class Ranked:
    """A picture of the queue, and why it is where it is."""

    picture: str
    priority: float
    uncertainty: float
    disagreement: float
    rarity: float
    repeats: bool = False


@dataclass(frozen=True, eq=False)
class FoundLabel:
    """A label of a picture: class, score, and its outline's box."""

    name: str
    score: float
    box: np.ndarray  # x1, y1, x2, y2


def ranked(
    images: Iterable[AnnotatedImage],
    former: Mapping[str, AnnotatedImage],
    decided_labels: Counter[str],
    duplicates: Sequence[Collection[str]] = (),
    decided: Collection[str] = (),
    min_confidence: float = 0.0,
) -> list[Ranked]:
    """The pictures, the most worth a look first; of equal priority by name.

    Args:
        images: with the labels of the last model.
        former: those of the model before it, by file name; empty in the first round.
        decided_labels: how often people decided on a label of each class.
        duplicates: groups of near-duplicates.
        decided: the pictures that are decided.
        min_confidence: the least score of a label.
    """
    found = [_rank(image, former, decided_labels, min_confidence) for image in images]
    found.sort(key=lambda one: (-one.priority, one.picture))
    group_of = {name: number for number, group in enumerate(duplicates) for name in group}
    seen = {group_of[name] for name in decided if name in group_of}
    first, repeats = [], []
    for one in found:
        group = group_of.get(one.picture)
        if group is not None and group in seen:
            repeats.append(replace(one, repeats=True))
        else:
            first.append(one)
            if group is not None:
                seen.add(group)
    return first + repeats


def _rank(
    image: AnnotatedImage,
    former: Mapping[str, AnnotatedImage],
    decided_labels: Counter[str],
    min_confidence: float,
) -> Ranked:
    labels = labels_of(image)
    room = max(1 - min_confidence, 1e-6)
    doubts = [min(1.0, max(0.0, (1 - label.score) / room)) for label in labels]
    uncertainty = max(doubts, default=0.5)
    before = former.get(image.filename)
    disagreement = 0.0 if before is None else disagreement_of(labels, labels_of(before))
    rarity = max((1 / math.sqrt(1 + decided_labels[label.name]) for label in labels), default=0.0)
    return Ranked(
        image.filename,
        round(uncertainty + disagreement + rarity, 4),
        round(uncertainty, 4),
        round(disagreement, 4),
        round(rarity, 4),
    )


def labels_of(image: AnnotatedImage) -> list[FoundLabel]:
    """The labels of an image; those without a score count as certain."""
    labels = []
    for regions in group_regions(image.regions):
        outer = [region for region in regions if not region.is_hole] or regions
        points = np.concatenate([region.points for region in outer])
        score = region_score(outer[0].attributes)
        box = np.concatenate([points.min(axis=0), points.max(axis=0)])
        labels.append(FoundLabel(region_label(outer[0]), 1.0 if score is None else score, box))
    return labels


def disagreement_of(first: Sequence[FoundLabel], second: Sequence[FoundLabel]) -> float:
    """The share of both models' labels that have no counterpart in the other's; 0 of none."""
    left = list(second)
    matched = 0
    for label in sorted(first, key=lambda label: -label.score):
        alike = [other for other in left if other.name == label.name]
        best = max(alike, key=lambda other: _overlap(label.box, other.box), default=None)
        if best is not None and _overlap(label.box, best.box) >= OVERLAP:
            left.remove(best)
            matched += 1
    total = len(first) + len(second)
    return 1 - 2 * matched / total if total else 0.0


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two boxes x1, y1, x2, y2."""
    corner, other = np.maximum(first[:2], second[:2]), np.minimum(first[2:], second[2:])
    inner = float(np.prod(np.maximum(other - corner, 0)))
    areas = [float(np.prod(box[2:] - box[:2])) for box in (first, second)]
    union = sum(areas) - inner
    return inner / union if union > 0 else 0.0
