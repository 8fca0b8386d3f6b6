"""Applying the decisions of a `DecisionLog` to the annotations they are about."""

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from fashion.annotations.annotated import AnnotatedImage, Annotations, Region
from fashion.annotations.instances import group_regions
from fashion.labels import MODANET_TABLE, fashion_code, parse_file_name
from fashion.review.decision_log import SEASON, WHOLE, Decision, latest, read_log
from fashion.review.page import instance_key
from mrcnn.errors import DatasetError

Latest = Mapping[tuple[str, str], Decision]


def read_logs(paths: Sequence[Path], sha256: str | None = None) -> dict[tuple[str, str], Decision]:
    """The decision that counts for each image and key, from the logs of one or several people.

    sha256: of the annotations that they must be about; None accepts any.

    Raises:
        DatasetError: a file is damaged or not a log, or about another state of the annotations.
    """
    decisions: list[Decision] = []
    for path in paths:
        head, found = read_log(path)
        if sha256 not in (None, head["sha256"]):
            raise DatasetError(
                f"was made for another version of {head['annotations']}, or for another file",
                path=path,
                advice="apply it to that one, or give --any-version if the instances are the same",
            )
        decisions += found
    return latest(decisions)


def apply_log(
    annotations: Annotations, decisions: Latest, *, only_accepted: bool = False
) -> Counter[str]:
    """Change classes, and remove what was rejected or has a wrong outline, in `annotations`.

    An image whose labels were all rejected stays without any; one that loses its last label for
    another reason is removed. With `only_accepted` the undecided are removed too.

    Returns the numbers of instances "kept", "removed", "outline" (of the removed, those to be drawn
    again) and "relabelled", of "images" removed, and of decisions about instances that are not
    there ("unknown").
    """
    counts: Counter[str] = Counter()
    known = 0
    images = []
    for image in annotations.images:
        kept: list[Region] = []
        open_ones = 0
        for regions in group_regions(image.regions):
            decision = decisions.get((image.filename, instance_key(regions)))
            known += decision is not None
            verdict = decision.verdict if decision else ""
            keep = verdict == "accept" or (verdict == "" and not only_accepted)
            counts["kept" if keep else "removed"] += 1
            counts["outline"] += verdict == "outline"
            open_ones += verdict in ("", "outline")
            if decision and decision.label:
                counts["relabelled"] += 1
                relabel(regions, decision.label)
            kept += regions if keep else []
        if kept or not open_ones:
            images.append(image)
        else:
            counts["images"] += 1
        image.regions = sorted(kept, key=lambda region: region.number)
    annotations.images = images
    about_instances = sum(key not in (WHOLE, SEASON) for _, key in decisions)
    counts["unknown"] = about_instances - known
    return counts


def relabel(regions: Sequence[Region], label: str) -> None:
    """Give the regions of an instance another class, with its code if it has one."""
    parsed = parse_file_name(label)
    row = MODANET_TABLE.find(label)
    code = fashion_code(*parsed) if isinstance(parsed, tuple) else row and row.id
    for region in regions:
        for name in ("class", "name", "fashion"):
            region.attributes.pop(name, None)
        region.attributes["label"] = label
        if code is not None:
            region.attributes["fashion"] = str(code)


def is_to_correct(image: AnnotatedImage, decisions: Latest) -> bool:
    """Whether an outline of the image was marked as wrong, or a garment as unlabelled."""
    keys = [WHOLE, *(instance_key(regions) for regions in group_regions(image.regions))]
    found = (decisions.get((image.filename, key)) for key in keys)
    return any(decision and decision.verdict == "outline" for decision in found)


def to_correct(annotations: Annotations, decisions: Latest) -> Annotations:
    """A copy with only the images to correct, to be opened in VIA.

    Rejected labels are left out, changed classes are changed, and wrong outlines are kept.
    """
    rest = copy.copy(annotations)
    rest.images = [copy.deepcopy(i) for i in annotations.images if is_to_correct(i, decisions)]
    for image in rest.images:
        kept: list[Region] = []
        for regions in group_regions(image.regions):
            decision = decisions.get((image.filename, instance_key(regions)))
            if decision and decision.label:
                relabel(regions, decision.label)
            kept += [] if decision and decision.verdict == "reject" else regions
        image.regions = sorted(kept, key=lambda region: region.number)
    return rest
