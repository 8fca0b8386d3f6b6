"""Which pictures are most worth a look: the order in which a round proposes them.

A picture is worth what it is expected to show that is rare so far. Each class on it counts with

    s / sqrt(1 + n),

s the score of its surest label, and n how many labels of the class people have decided on, and how
many are expected on the pictures further ahead in the queue, so that a round does not ask for the
same thing a hundred times. The sum is multiplied by 1 to 2, by how far the last two models
disagree: the share of their labels that only one of them gave (classes must agree, and the boxes
overlap by half).

A round takes every second picture by chance instead (`mixed`), so that it is not all of a kind.

Of near-duplicates the first is proposed; the others come last, and so do those of a picture that is
decided.
"""

import hashlib
import heapq
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
    """A picture of the queue, and why it is where it is.

    `teaches` is the class that counts most, "" where nothing was found; `by_chance` tells that it
    was not chosen for that.
    """

    picture: str
    priority: float
    teaches: str
    disagreement: float
    repeats: bool = False
    by_chance: bool = False


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
) -> list[Ranked]:
    """The pictures, the most worth a look first; of equal priority by name.

    Args:
        images: with the labels of the last model.
        former: those of the model before it, by file name; empty in the first round.
        decided_labels: how often people decided on a label of each class.
        duplicates: groups of near-duplicates.
        decided: the pictures that are decided.
    """
    group_of = {name: number for number, group in enumerate(duplicates) for name in group}
    seen = {group_of[name] for name in decided if name in group_of}
    first, repeats = [], []
    for one in _by_worth(images, former, decided_labels):
        group = group_of.get(one.picture)
        if group is not None and group in seen:
            repeats.append(replace(one, repeats=True))
        else:
            first.append(one)
            if group is not None:
                seen.add(group)
    return first + repeats


def mixed(rows: Sequence[Ranked]) -> list[Ranked]:
    """The rows of `ranked` with every second picture by chance instead, near-duplicates last.

    By a digest of the name: at random, and the same in every run.
    """
    first = [row for row in rows if not row.repeats]
    others = sorted(first, key=lambda row: hashlib.blake2b(row.picture.encode()).digest())
    chosen: dict[str, Ranked] = {}
    sides = [iter(first), iter([replace(row, by_chance=True) for row in others])]
    while len(chosen) < len(first):
        row = next(row for row in sides[len(chosen) % 2] if row.picture not in chosen)
        chosen[row.picture] = row
    return [*chosen.values(), *(row for row in rows if row.repeats)]


def _by_worth(
    images: Iterable[AnnotatedImage],
    former: Mapping[str, AnnotatedImage],
    decided_labels: Counter[str],
) -> list[Ranked]:
    """Always the picture that is worth most beside those before it.

    Worth only falls as the queue grows, so that a picture which still leads with its worth of now
    needs no comparison with the others.
    """
    expected = {name: float(count) for name, count in decided_labels.items()}
    scores, disagreements = {}, {}
    for image in images:
        name, labels, before = image.filename, labels_of(image), former.get(image.filename)
        scores[name] = _surest(labels)
        disagreements[name] = disagreement_of(labels, labels_of(before)) if before else 0.0

    def rank(name: str) -> Ranked:
        worths = {
            label: score / math.sqrt(1 + expected.get(label, 0.0))
            for label, score in scores[name].items()
        }
        priority = (1 + disagreements[name]) * sum(worths.values())
        teaches = max(sorted(worths), key=lambda label: worths[label], default="")
        return Ranked(name, round(priority, 4), teaches, round(disagreements[name], 4))

    def entry(one: Ranked) -> tuple[float, str, Ranked]:
        return -one.priority, one.picture, one

    heap = [entry(rank(name)) for name in scores]
    heapq.heapify(heap)
    order = []
    while heap:
        now = entry(rank(heap[0][2].picture))
        if len(heap) > 1 and now[:2] > min(heap[1:3])[:2]:
            heapq.heapreplace(heap, now)
            continue
        heapq.heappop(heap)
        order.append(now[2])
        for label, score in scores[now[1]].items():
            expected[label] = expected.get(label, 0.0) + score
    return order


def _surest(labels: Sequence[FoundLabel]) -> dict[str, float]:
    surest: dict[str, float] = {}
    for label in labels:
        surest[label.name] = max(surest.get(label.name, 0.0), label.score)
    return surest


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
