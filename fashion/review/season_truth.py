"""The truth of custom photographs as stage 2 sees it: season labels instead of garments."""

import os
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from fashion.annotations.instances import group_regions, region_label
from fashion.annotations.locating import ANNOTATION_FILE, read_annotations
from fashion.annotations.via_reading import ViaFile, ViaImage, ViaRegion
from fashion.annotations.via_writing import write
from fashion.labels import (
    SEASON_LABELS,
    canonical_name,
    coded_garment,
    fashion_code,
    parse_file_name,
    season_label,
)
from fashion.splitting.placing import copy
from mrcnn.errors import DatasetError


def season_truth(
    truth: ViaFile,
    names: Collection[str],
    *,
    labels: Collection[str] = SEASON_LABELS,
    all_garments: bool = False,
) -> ViaFile:
    """The images `names` of `truth` with season labels, in the order of the truth.

    A garment gets the season of its image's file name; boots count as footwear. A label that
    already has a season stays. Instances of other labels than `labels` are left out, and, as in
    automatic labelling, those of garments other than the one the file is named for, unless
    `all_garments`. Images without instances stay in the list: whatever is found there is wrong.
    """
    images = []
    for image in truth:
        name = PurePosixPath(image.filename).name
        if name in names:
            own = _labelled(image, name, set(labels), all_garments)
            images.append(ViaImage(name, own, dict(image.attributes)))
    return ViaFile(images)


def _labelled(
    image: ViaImage, name: str, labels: Collection[str], all_garments: bool
) -> list[ViaRegion]:
    regions: list[ViaRegion] = []
    for number, group in enumerate(group_regions(image.regions), 1):
        solid = next((region for region in group if not region.is_hole), group[0])
        label = _label(region_label(solid), name, all_garments)
        if label is None or label not in labels:
            continue
        code = str(fashion_code(*label.split("_")))
        for region in group:
            attributes = {"fashion": code, "label": label, "instance": str(number)}
            attributes |= {"hole": "1"} if region.is_hole else {}
            regions.append(ViaRegion(region.shape, attributes, len(regions) + 1, region.points))
    return regions


def _label(text: str, name: str, all_garments: bool) -> str | None:
    """The season label of an instance labelled `text` on the photograph `name`, if it has one."""
    if isinstance(parse_file_name(text), tuple):
        return text
    named, own = parse_file_name(name), canonical_name(text)
    if isinstance(named, str) or own is None:
        return None
    garment, season = named
    if not all_garments and coded_garment(own) != coded_garment(garment):
        return None
    return season_label(own, season)


def write_season_truth(
    truth: Path, images: Path, folder: Path, *, all_garments: bool = False
) -> tuple[int, int]:
    """Make `folder` a subset to evaluate on: the pictures in `images` with their true labels.

    truth: a VIA or COCO file that names them. The pictures are hard links, or copies where the file
    system has none. Returns the numbers of pictures and of instances. Raises `DatasetError` when
    the truth has none of the pictures, or cannot be read.
    """
    there = {path.name: path for path in images.iterdir() if path.is_file()}
    chosen = season_truth(read_annotations(truth), there.keys(), all_garments=all_garments)
    if not chosen.images:
        raise DatasetError(
            f"has none of the pictures in {images}",
            path=truth,
            advice="choose the truth of these pictures",
        )
    folder.mkdir(parents=True, exist_ok=True)
    for image in chosen:
        _link(there[image.filename], folder / image.filename)
    write(folder / ANNOTATION_FILE, chosen)
    return len(chosen), sum(len(group_regions(image.regions)) for image in chosen)


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        copy(source, target)
