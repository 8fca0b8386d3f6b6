"""Decision lists of the review page, and annotations cleaned up with them."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fashion.annotations.instances import group_regions
from fashion.annotations.via_reading import ViaFile
from fashion.json_files import read_json
from fashion.review.page import instance_key
from mrcnn.errors import DatasetError

FORMAT = "label decisions"
DECISIONS = ("accept", "reject")


@dataclass
class Decisions:
    """What a person decided: file name -> instance key -> "accept" or "reject".

    `annotations` and `sha256` are name and digest of the annotation file that was looked at.
    """

    annotations: str
    sha256: str
    images: dict[str, dict[str, str]] = field(default_factory=dict)


def read_decisions(path: Path) -> Decisions:
    """Read a decision list. Raises `DatasetError` when the file is something else."""
    data = read_json(path)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise DatasetError(
            "is not a decision list", path=path, advice="export one from the review page"
        )
    images = data.get("images")
    if not isinstance(images, dict) or not all(map(_is_choice, images.values())):
        raise DatasetError(
            'its "images" cannot be used',
            path=path,
            expected='for each file name an object of instances, each "accept" or "reject"',
            advice="export the list again",
        )
    return Decisions(str(data.get("annotations", "")), str(data.get("sha256", "")), images)


def _is_choice(value: Any) -> bool:
    return isinstance(value, dict) and all(choice in DECISIONS for choice in value.values())


def apply_decisions(via: ViaFile, decisions: Decisions, *, only_accepted: bool = False) -> Counter:
    """Remove the rejected instances from `via`; an image whose labels were all rejected stays.

    With `only_accepted` the undecided are removed too, and the images that then have none left.
    Returns the numbers of instances kept and removed, of images removed, of regions that cannot be
    used and stay to be corrected ("unusable"), and of decisions about instances that are not there
    ("unknown").
    """
    counts: Counter[str] = Counter()
    kept_images = []
    known = 0
    for image in via.images:
        chosen = decisions.images.get(image.filename, {})
        kept = []
        undecided = 0
        for regions in group_regions(image.regions):
            choice = chosen.get(instance_key(regions))
            known += choice is not None
            undecided += choice is None
            keep = choice == "accept" if only_accepted else choice != "reject"
            counts["kept" if keep else "removed"] += 1
            kept += regions if keep else []
        counts["unusable"] += len(image.unusable)
        if kept or image.unusable or not undecided:
            kept_images.append(image)
        else:
            counts["images"] += 1
        kept.sort(key=lambda region: region.number)
        image.regions = kept
    via.images = kept_images
    counts["unknown"] = sum(map(len, decisions.images.values())) - known
    return counts
