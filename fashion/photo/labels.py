"""Photographs that only carry tags, labelled by the weights that are to learn from them.

A detection is kept if the photograph's tags name its class and it is sure, given the tags: these
rule out what the model takes for something else. A photograph is kept if every garment of its tags
was found, since a garment without a label would be learnt as background.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fashion.labels import PERSON, PHOTO_TABLE
from mrcnn.evaluation.coco_ap import results_of

# Clothing Co-Parsing's tags; the others are not garments of ModaNet's.
CLASSES_OF_TAGS = {
    tag: name
    for name, tags in {
        "bag": "bag purse wallet",
        "belt": "belt",
        "boots": "boots",
        "footwear": "clogs flats heels loafers pumps sandals shoes sneakers wedges",
        "outer": "blazer cape cardigan coat hoodie jacket jumper romper suit sweater sweatshirt "
        "vest",
        "dress": "dress",
        "sunglasses": "sunglasses",
        "pants": "pants jeans leggings",
        "top": "blouse bodysuit bra shirt t-shirt top",
        "shorts": "shorts",
        "skirt": "skirt",
        "headwear": "hat",
        "scarf/tie": "scarf tie",
    }.items()
    for tag in tags.split()
}
PAIRS = ("boots", "footwear")
# On validation 43 of 50 photographs are then kept, with a precision of .82 and a recall of .81;
# from .25 on only 32, with .89 and .84. The ones between show many of the rare garments.
SURE = 0.1
LIKELY = 0.5  # score from which a detection contradicts the tags
LEAST_DETECTED = 0.03  # score of a detection before the tags count
SAME_INSTANCE = 0.5  # intersection over union


@dataclass
class TaggedLabels:
    """Labels of tagged photographs.

    Attributes:
        data: a COCO dictionary of the photographs that were kept; annotations carry `score`.
        missing: how often a garment that the tags name was not found, by class; its photographs
            were left out.
        against_tags: likely detections of garments that the tags do not name, by class.
    """

    data: dict[str, Any]
    missing: Counter[str] = field(default_factory=Counter)
    against_tags: Counter[str] = field(default_factory=Counter)

    def summary(self, photographs: int) -> str:
        """What came of this many photographs, in a few lines."""
        kept, rows = self.data["images"], self.data["annotations"]
        lines = [f"{len(kept)} of {photographs} photographs kept, with {len(rows)} instances"]
        for title, counter in (
            ("named by tags, not found", self.missing),
            ("found, not named by tags", self.against_tags),
        ):
            counts = ", ".join(f"{name} {count}" for name, count in counter.most_common())
            lines.append(f"{title}: {counts or 'nothing'}")
        return "\n".join(lines)


def expected_counts(tags: Iterable[str]) -> dict[str, int]:
    """How many instances of each class a photograph's tags allow: one per tag, two for shoes."""
    counts = Counter(CLASSES_OF_TAGS[tag] for tag in tags if tag in CLASSES_OF_TAGS)
    return {name: count * (2 if name in PAIRS else 1) for name, count in counts.items()}


def given_tags(rows: Sequence[dict], allowed: Container[str]) -> list[dict]:
    """The rows with the scores that they have once only these classes are possible.

    The network detects a garment as every class that is likely enough. What it gives to classes
    that are not possible is shared among the others, in proportion: p / (1 - impossible).

    Args:
        rows: of one photograph in a COCO results file.
        allowed: names of the possible classes; rows of others keep their scores.
    """
    from pycocotools import mask as coco_mask

    if not rows:
        return []
    masks = [row["segmentation"] for row in rows]
    names = [PHOTO_TABLE.name_of(row["category_id"]) for row in rows]
    overlaps = coco_mask.iou(masks, masks, [0] * len(masks))
    changed = []
    for row, name, near in zip(rows, names, overlaps >= SAME_INSTANCE, strict=True):
        impossible: dict[str, float] = {}
        if name in allowed:
            for other, of, same in zip(rows, names, near, strict=True):
                if same and of not in allowed:
                    impossible[of] = max(impossible.get(of, 0.0), other["score"])
        left = max(1 - sum(impossible.values()), row["score"])
        changed.append({**row, "score": row["score"] / left})
    return changed


def label_photograph(
    rows: Sequence[dict], tags: Iterable[str], sure: float = SURE
) -> tuple[list[dict], set[str], Counter[str]]:
    """Which of a photograph's detections become labels.

    Args:
        rows: those of the photograph in a COCO results file; class numbers of `PHOTO_TABLE`.
        tags: of the photograph, complete.
        sure: the least score, given the tags.

    Returns:
        The rows kept, with their scores given the tags: the surest of each class, no more than the
        tags allow; the classes that the tags name but that were not found (a person is always
        expected); and how many likely detections contradict the tags, by class.
    """
    allowed = {**expected_counts(tags), PERSON: 1}
    left = Counter(allowed)
    kept: list[dict] = []
    against: Counter[str] = Counter()
    for row in sorted(given_tags(rows, allowed), key=lambda r: -r["score"]):
        name = PHOTO_TABLE.name_of(row["category_id"])
        if row["score"] < sure:
            continue
        if name not in allowed:
            against.update([name] * (row["score"] >= LIKELY))
        elif left[name]:
            left[name] -= 1
            kept.append(row)
    found = {PHOTO_TABLE.name_of(row["category_id"]) for row in kept}
    return kept, set(allowed) - found, against


def label_tagged(
    tags: Mapping[str, Iterable[str]],
    read: Callable[[str], np.ndarray],
    detect: Callable[[np.ndarray], dict],
    sure: float = SURE,
) -> TaggedLabels:
    """Labels of photographs with tags, see the module's docstring.

    Args:
        tags: of each photograph, by its file name.
        read: from a file name to the RGB picture.
        detect: from a picture to its result, as `MaskRCNN.detect` gives it.
        sure: the least score of a label, given the tags.
    """
    from pycocotools import mask as coco_mask

    categories = [{"id": row.id, "name": row.name} for row in PHOTO_TABLE]
    data: dict[str, Any] = {"info": {}, "images": [], "annotations": [], "categories": categories}
    result = TaggedLabels(data)
    for name, own in tags.items():
        picture = read(name)
        number = len(data["images"]) + 1
        kept, missing, against = label_photograph(results_of(number, detect(picture)), own, sure)
        result.against_tags += against
        if missing:
            result.missing.update(missing)
            continue
        height, width = picture.shape[:2]
        data["images"].append({"id": number, "file_name": name, "width": width, "height": height})
        for row in kept:
            entry = {"id": len(data["annotations"]) + 1, "iscrowd": 0}
            entry["area"] = int(coco_mask.area(row["segmentation"]))
            data["annotations"].append({**row, **entry})
    return result
