"""Dividing an annotated folder of images into train, val and test, and doing so repeatedly.

The result's `split.json` records what was put where: a second run with the same settings changes
nothing, and a run with other settings leaves nothing of the first.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fashion.annotations.locating import IMAGE_SUFFIXES, SUBSETS, check_links, picture_path
from fashion.json_files import read_json, write_json, write_text
from fashion.pictures.listing import wrong_size
from fashion.splitting.annotations import AnnotationSource, json_text
from fashion.splitting.choosing import (
    DEFAULT_RATIOS,
    match_lists,
    share_deviations,
    stratify,
)
from fashion.splitting.near_duplicates import near_duplicate_groups, read_fingerprints
from fashion.splitting.placing import Placer, is_there, same_content
from fashion.splitting.record import RECORD, SplitFolder, checksum_of, flat_name
from mrcnn.errors import DatasetError, counted


@dataclass(frozen=True)
class Settings:
    """The settings of a split.

    Attributes:
        ratios: shares of train, val and test; their sum is 1.
        seed: of the random choice.
        mode: copy, link or move.
        lists: ready-made lists (subset -> names) instead of ratios.
        near_duplicates: keep near-duplicate pictures in one subset.
        test_images: a folder that also gets the test images.
        overwrite: replace annotation files in the subsets that no earlier run wrote, or that
            have been changed since.
        workers: threads that read images.
    """

    ratios: tuple[float, ...] = DEFAULT_RATIOS
    seed: int = 0
    mode: str = "copy"
    lists: dict[str, list[str]] | None = None
    near_duplicates: bool = True
    test_images: Path | None = None
    overwrite: bool = False
    workers: int = 2


@dataclass
class Split:
    """What goes where, and what was noticed on the way.

    Attributes:
        subsets: subset -> file names, in the order of the annotation file.
        missing: images in the annotations without a file.
        unreadable: a sentence for each file that cannot be read as an image, or has another size
            than its annotations say.
        not_listed: annotated images that ready-made lists do not name.
        unknown: names in ready-made lists that the annotations do not have.
        without_entry: image files that no annotation names; they stay where they are.
        without_regions: images that are placed but have no region.
        orphans: annotations without an image.
        groups: near-duplicates, lists of file names.
        parted: groups of near-duplicates that ready-made lists put into different subsets.
        done: number of files by what was done with them.
    """

    subsets: dict[str, list[str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    not_listed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    without_entry: list[str] = field(default_factory=list)
    without_regions: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    groups: list[list[str]] = field(default_factory=list)
    parted: list[list[str]] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)

    def without_instances(self) -> list[str]:
        """The subsets whose images have no instance at all."""
        empty = set(self.without_regions)
        return [s for s, names in self.subsets.items() if names and empty.issuperset(names)]

    def subset_of(self) -> dict[str, str]:
        """File name -> subset."""
        return {name: subset for subset, names in self.subsets.items() for name in names}


@dataclass(frozen=True)
class _Choice:
    """Which image goes into which subset, by its name, and what ready-made lists do not cover."""

    subset_of: dict[str, str]
    not_listed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    parted: list[list[str]] = field(default_factory=list)


def plan_split(
    source: AnnotationSource,
    images: Path,
    folder: SplitFolder,
    settings: Settings,
    progress: Callable[[], object] = lambda: None,
) -> Split:
    """Choose the subsets; nothing is changed. `progress` is called once for each image read.

    Images are looked for in `images` and, where they were moved, in `folder`. Raises `DatasetError`
    when there is no image to place.
    """
    images = images.absolute()
    check_links(source.names, images)
    found = _found(source, images, folder, settings)
    missing = [name for name in source.names if name not in found]
    wrong = _of_wrong_size(source, found)
    found = {name: path for name, path in found.items() if name not in wrong}
    groups: list[list[str]] = [[name] for name in found]
    unreadable: list[str] = []
    if settings.near_duplicates:
        groups, unreadable = _groups(found, settings.workers, progress)
    unreadable += wrong.values()
    if settings.lists is None:
        choice = _choice_by_shares(source, groups, settings)
    else:
        choice = _choice_by_lists(source, groups, settings.lists)
    subset_of = choice.subset_of
    if not subset_of:
        raise DatasetError(
            f"none of its images can be placed: of {counted(len(source.names), 'image')}, "
            f"{len(missing)} cannot be found in {images}, {len(unreadable)} cannot be read, and "
            f"{len(choice.not_listed)} cannot be found in any list",
            path=source.path,
            advice="check the folder",
        )
    return Split(
        subsets={s: [n for n in source.names if subset_of.get(n) == s] for s in SUBSETS},
        missing=missing,
        unreadable=unreadable,
        not_listed=choice.not_listed,
        unknown=choice.unknown,
        without_entry=_without_entry(images, set(source.names), folder),
        without_regions=[name for name in subset_of if not source.counts[name]],
        orphans=list(source.orphans),
        groups=[group for group in groups if len(group) > 1],
        parted=choice.parted,
    )


def _found(
    source: AnnotationSource, images: Path, folder: SplitFolder, settings: Settings
) -> dict[str, Path]:
    """Where the images are at present, by name, without those that are missing."""
    placer = Placer(folder.files, {}, settings.mode)
    places = ((n, placer.bytes_of(picture_path(images, n))) for n in source.names)
    return {name: path for name, path in places if path is not None}


def _of_wrong_size(source: AnnotationSource, found: dict[str, Path]) -> dict[str, str]:
    """The images whose annotations are for another size, with a sentence each."""
    wrong = {}
    for name, path in found.items():
        reason = wrong_size(path, *source.sizes[name])
        if reason is not None:
            wrong[name] = f"{name}: {reason}"
    return wrong


def _groups(
    found: dict[str, Path], workers: int, progress: Callable[[], object]
) -> tuple[list[list[str]], list[str]]:
    """Names of images that must stay together, and a sentence for each that cannot be read."""
    names = list(found)
    prints, unreadable = read_fingerprints(list(found.values()), workers, progress)
    groups = [
        [names[index] for index in group]
        for group in near_duplicate_groups(prints)
        if prints[group[0]] is not None
    ]
    return groups, unreadable


def _choice_by_lists(
    source: AnnotationSource, groups: list[list[str]], lists: dict[str, list[str]]
) -> _Choice:
    """The subsets of ready-made lists, for the images that are there."""
    matched, unknown = match_lists(lists, source.names)
    there = {name for group in groups for name in group}
    return _Choice(
        {name: subset for name, subset in matched.items() if name in there},
        not_listed=[name for name in source.names if name in there and name not in matched],
        unknown=unknown,
        parted=[g for g in groups if len({matched[name] for name in g if name in matched}) > 1],
    )


def _choice_by_shares(
    source: AnnotationSource, groups: list[list[str]], settings: Settings
) -> _Choice:
    """Subsets in which each class, and pictures without any instance, have about the same share."""
    classes = source.classes()
    rows = [source.matrix(group, classes) for group in groups]
    counts = np.array([row.sum(axis=0) for row in rows], dtype=np.int64)
    counts = counts.reshape(len(groups), len(classes))
    empty = np.array([np.count_nonzero(row.sum(axis=1) == 0) for row in rows], dtype=np.int64)
    if empty.any():
        # Rare classes alone would all go to train, and leave the other subsets the empty pictures.
        labelled = [len(group) for group in groups] - empty
        counts = np.column_stack([counts, labelled, empty])
    sizes = np.array([len(group) for group in groups], dtype=np.int64)
    assigned = stratify(counts, sizes, settings.ratios, settings.seed)
    pairs = zip(groups, assigned, strict=True)
    return _Choice({name: SUBSETS[index] for group, index in pairs for name in group})


def _without_entry(images: Path, named: set[str], folder: SplitFolder) -> list[str]:
    """Image files under `images` that no annotation names, as names relative to it."""
    found = []
    for path in sorted(images.rglob("*")):
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            name = path.relative_to(images).as_posix()
            ours = path in folder.files or path in folder.copies
            if name not in named and not ours and not path.is_relative_to(folder.out):
                # The record is UTF-8, but not every file name is.
                found.append(os.fsencode(name).decode("utf-8", "backslashreplace"))
    return found


def carry_out(
    split: Split, source: AnnotationSource, images: Path, folder: SplitFolder, settings: Settings
) -> None:
    """Put images and annotations where `split` says; `split.done` counts what was done.

    Everything is checked first. Raises `DatasetError`, without having changed anything, when other
    files are in the way.
    """
    out, images = folder.out, images.absolute()
    pairs = split.subset_of().items()
    wanted = {out / subset / name: picture_path(images, name) for name, subset in pairs}
    folder.check_foreign(wanted, settings.overwrite)
    main = Placer(folder.files, wanted, settings.mode)
    copies = _test_copies(split, folder, settings, main, images)
    texts = {
        f"{subset}/{source.file_name}": json_text(source.part(names))
        for subset, names in split.subsets.items()
        if names
    }
    checksums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    if not _is_done(folder, main, copies, checksums):
        _start(folder, wanted, copies.wanted, checksums)
    copies.clear()
    split.done = main.run()
    copies.place()
    for name, text in texts.items():
        if not (out / name).is_file() or checksum_of(out / name) != checksums[name]:
            write_text(out / name, text)
    record = {
        **_record(split, source, settings),
        "files": folder.relative(wanted),
        "copies": folder.relative(copies.wanted),
        "annotations": checksums,
        "finished": True,
    }
    if not (out / RECORD).exists() or read_json(out / RECORD) != record:
        write_json(out / RECORD, record, indent=1)
    _remove_empty(out, split)


def _start(
    folder: SplitFolder,
    files: dict[Path, Path],
    copies: dict[Path, Path],
    checksums: dict[str, str],
) -> None:
    """Remove the annotations, and record the files of both runs, until every file is in place.

    A training run started meanwhile finds nothing rather than a mixture.
    """
    annotations = folder.annotations | checksums
    for name in annotations:
        (folder.out / name).unlink(missing_ok=True)
    record = {
        "finished": False,
        "annotations": annotations,
        "files": folder.relative(folder.files | files),
        "copies": folder.relative(folder.copies | copies),
    }
    write_json(folder.out / RECORD, record, indent=1)


def _is_done(folder: SplitFolder, main: Placer, copies: Placer, checksums: dict[str, str]) -> bool:
    """Whether the folder holds exactly this split already."""
    return (
        not main.stale
        and not copies.stale
        and main.before == main.wanted
        and copies.before == copies.wanted
        and folder.annotations == checksums
        and all((folder.out / name).is_file() for name in checksums)
    )


def _test_copies(
    split: Split, folder: SplitFolder, settings: Settings, main: Placer, images: Path
) -> Placer:
    """The placer of test images in the folder of a stage's test pictures.

    An equal picture that was there before is left alone, and never removed later.
    """
    test_images = settings.test_images
    mode = "link" if settings.mode == "link" else "copy"
    if test_images is None:
        return Placer(folder.copies, {}, mode)
    wanted, now = {}, {}
    for name in split.subsets["test"]:
        target = test_images.absolute() / flat_name(name)
        content = main.content(picture_path(images, name))
        foreign = is_there(target) and target not in folder.copies
        if foreign and target.is_file() and same_content(content, target):
            continue
        home = folder.out / "test" / name
        wanted[target], now[home] = home, content
    return Placer(folder.copies, wanted, mode, now)


def _record(split: Split, source: AnnotationSource, settings: Settings) -> dict[str, Any]:
    return {
        "annotation_file": str(source.path.absolute()),
        "settings": {
            "ratios": None if settings.lists is not None else list(settings.ratios),
            "seed": settings.seed,
            "mode": settings.mode,
            "near_duplicates": settings.near_duplicates,
        },
        "subsets": split.subsets,
        "near_duplicates": split.groups,
        "near_duplicates_parted": split.parted,
        "annotations_without_image": split.missing + split.orphans,
        "images_without_annotation": split.without_entry,
        "images_without_regions": split.without_regions,
        "unreadable": split.unreadable,
        "not_listed": split.not_listed,
        "unknown_in_lists": split.unknown,
    }


def _remove_empty(out: Path, split: Split) -> None:
    """Remove the folder of a subset that has become empty."""
    for subset, names in split.subsets.items():
        folder = out / subset
        if not names and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def class_shares(
    split: Split, source: AnnotationSource
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Class names, instances int [3, classes] of each subset, and their deviations.

    For the deviations see `fashion.splitting.choosing.share_deviations`.
    """
    subset_of = split.subset_of()
    names, classes = list(subset_of), source.classes()
    counts = source.matrix(names, classes)
    assigned = np.array([SUBSETS.index(subset_of[name]) for name in names], dtype=int)
    sums = np.stack([counts[assigned == index].sum(axis=0) for index in range(len(SUBSETS))])
    return classes, sums, share_deviations(counts, assigned, len(SUBSETS))
