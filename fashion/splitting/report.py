"""A split as text for a terminal."""

import numpy as np

from fashion.annotations.locating import SUBSETS
from fashion.splitting.annotations import AnnotationSource
from fashion.splitting.split import Split, class_shares
from fashion.terminal import text_table

POINT = 1.0  # percentage points by which a class may deviate before it is marked


def share_table(split: Split, source: AnnotationSource) -> str:
    """Instances of each class and their share in each subset; * marks more than a point off."""
    classes, sums, deviations = class_shares(split, source)
    head = ["class", "all", "%"]
    head += [text for subset in SUBSETS for text in (subset, "%")]
    total = sums.sum()
    rows = [
        ["images", str(sum(map(len, split.subsets.values()))), ""]
        + [cell for subset in SUBSETS for cell in (str(len(split.subsets[subset])), "")]
    ]
    for index, name in enumerate(classes):
        if not sums[:, index].sum():
            continue
        whole = 100 * sums[:, index].sum() / total
        row = [name, str(sums[:, index].sum()), f"{whole:.2f} "]
        for number in range(len(SUBSETS)):
            row += [str(sums[number, index]), _share(whole, deviations[number, index])]
        rows.append(row)
    return text_table(head, rows)


def _share(whole: float, deviation: float) -> str:
    if np.isnan(deviation):
        return "-"
    return f"{whole + deviation:.2f}{'*' if abs(deviation) > POINT else ' '}"


def findings(split: Split, limit: int) -> str:
    """What was skipped or is worth knowing, the first `limit` of each kind; "" for nothing."""
    copies = [", ".join(group) for group in split.groups]
    parted = [", ".join(group) for group in split.parted]
    lines: list[str] = []
    for title, entries in (
        ("annotations without an image, skipped", split.missing + split.orphans),
        ("images without an annotation, left where they are", split.without_entry),
        ("images that cannot be used, skipped", split.unreadable),
        ("images in no list, skipped", split.not_listed),
        ("names in the lists without an annotation", split.unknown),
        ("images without regions, placed", split.without_regions),
        (
            "subsets without any instance, of no use for training or evaluation",
            split.without_instances(),
        ),
        ("groups of near-duplicates, each in one subset" if not parted else "", copies),
        ("groups of near-duplicates that the lists divide", parted),
    ):
        if title and entries:
            lines.append(f"{title}: {len(entries)}")
            lines += [f"  {entry}" for entry in entries[:limit]]
            if len(entries) > limit:
                lines.append(f"  and {len(entries) - limit} more in split.json")
    return "\n".join(lines)
