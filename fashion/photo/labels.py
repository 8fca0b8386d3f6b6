"""Photographs that only carry tags, labelled by the weights that are to learn from them.

A detection is kept if it is sure and the photograph's tags name its class; a photograph is kept if
every garment of its tags was found, since a garment without a label would be learnt as background.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
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
# On validation 33 of 50 photographs are then kept, with a precision and a recall of .88; from .6 on
# precision is .93, but only 10 are kept.
SURE = 0.25


@dataclass
class TaggedLabels:
    """Labels of tagged photographs.

    Attributes:
        data: a COCO dictionary of the photographs that were kept; annotations carry `score`.
        missing: how often a garment that the tags name was not found, by class; its photographs
            were left out.
        against_tags: sure detections of garments that the tags do not name, by class.
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


def label_photograph(
    rows: Iterable[dict], tags: Iterable[str], sure: float = SURE
) -> tuple[list[dict], set[str], Counter[str]]:
    """Which of a photograph's detections become labels.

    Args:
        rows: those of the photograph in a COCO results file; class numbers of `PHOTO_TABLE`.
        tags: of the photograph, complete.
        sure: the least score.

    Returns:
        The rows kept, the surest of each class and no more than the tags allow; the classes that
        the tags name but that were not found (a person is always expected); and how many sure
        detections contradict the tags, by class.
    """
    allowed = {**expected_counts(tags), PERSON: 1}
    left = Counter(allowed)
    kept: list[dict] = []
    against: Counter[str] = Counter()
    for row in sorted(rows, key=lambda r: -r["score"]):
        name = PHOTO_TABLE.name_of(row["category_id"])
        if row["score"] < sure:
            continue
        if name not in allowed:
            against[name] += 1
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
        sure: the least score of a label.
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
