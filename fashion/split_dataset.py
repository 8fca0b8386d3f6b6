"""Dividing an annotated folder of images into train, val and test, again and again.

The result's `split.json` records what was put where. By it a second run with the same settings
changes nothing, and one with others leaves nothing of the first.
"""

import hashlib
import mimetypes
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fashion.json_files import read_json, write_json, write_text
from fashion.links import check_links
from fashion.locating import ANNOTATION_FILE, IMAGE_SUFFIXES, SUBSETS
from fashion.near_duplicates import near_duplicate_groups, read_fingerprints
from fashion.placing import Placer, is_there, same_content
from fashion.split_annotations import COCO_FILE, AnnotationSource, json_text
from fashion.splitting import DEFAULT_RATIOS, match_lists, share_deviations, stratify
from mrcnn.errors import DatasetError

RECORD = "split.json"
ANNOTATIONS = tuple(f"{s}/{name}" for s in SUBSETS for name in (ANNOTATION_FILE, COCO_FILE))


@dataclass(frozen=True)
class Settings:
    """How to divide.

    Attributes:
        ratios: shares of train, val and test, with the sum 1.
        seed: of the random choice.
        mode: copy, link or move.
        lists: ready-made lists (subset -> names) instead of ratios.
        near_duplicates: keep pictures that show nearly the same in one subset.
        test_images: a folder that gets the test images too.
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
    """What is to go where, and what was found on the way.

    Attributes:
        subsets: subset -> file names, in the order of the annotation file.
        missing: images that the annotations name but that are not there.
        unreadable: a sentence for each image that is no picture.
        not_listed: images with annotations that ready-made lists do not name.
        unknown: names in ready-made lists that no annotation has.
        without_entry: image files that no annotation names; they stay where they are.
        without_regions: images that are placed but have no region.
        orphans: annotations of no image.
        groups: near-duplicates, lists of file names.
        parted: groups of near-duplicates that ready-made lists have parted.
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

    def subset_of(self) -> dict[str, str]:
        """File name -> subset."""
        return {name: subset for subset, names in self.subsets.items() for name in names}


class SplitFolder:
    """A dataset folder with `train/`, `val/`, `test/` and the record of earlier runs.

    Raises `DatasetError` when the record cannot be read.
    """

    def __init__(self, out: Path) -> None:
        self.out = out.absolute()
        record = read_json(self.out / RECORD) if (self.out / RECORD).exists() else {}
        if not isinstance(record, dict) or not isinstance(record.get("files", {}), dict):
            raise DatasetError(f"{self.out / RECORD} is no record of a split: move it away.")
        self.exists = bool(record)
        try:
            self.files = self._paths(record.get("files", {}))
            self.copies = self._paths(record.get("copies", {}))
            self.annotations: dict[str, str] = dict(record.get("annotations", {}))
            self._check_record()
        except (TypeError, ValueError, AttributeError):
            raise DatasetError(
                f"{self.out / RECORD} is damaged, or was not written by a split: move it away."
            ) from None

    def _check_record(self) -> None:
        """Raise `ValueError` unless all is where a split puts it: what is recorded may be removed.

        A file lies in a subset under the end of its source's path; a copy is a picture that has the
        name of one in test.
        """
        files = ((target.relative_to(self.out).parts, s) for target, s in self.files.items())
        good = all(
            subset in SUBSETS and name and source.parts[-len(name) :] == tuple(name)
            for (subset, *name), source in files
        )
        good &= all(
            source.relative_to(self.out / "test").as_posix().replace("/", "_") == target.name
            and _is_picture(target)
            for target, source in self.copies.items()
        )
        named = [*self.files, *self.copies, *self.files.values(), *self.copies.values()]
        good &= all(".." not in path.parts for path in named)
        if not good or not self.annotations.keys() <= set(ANNOTATIONS):
            raise ValueError

    def _paths(self, entries: dict[str, str]) -> dict[Path, Path]:
        return {self.out / target: self.out / source for target, source in entries.items()}

    def relative(self, paths: dict[Path, Path]) -> dict[str, str]:
        """`paths` as the record has them: within the folder relative to it, else absolute."""
        return {self._text(target): self._text(source) for target, source in paths.items()}

    def _text(self, path: Path) -> str:
        inside = path.is_relative_to(self.out)
        return (path.relative_to(self.out) if inside else path).as_posix()

    def check_foreign(self, wanted: dict[Path, Path], overwrite: bool) -> None:
        """Raise `DatasetError` for files in the subsets that would be mixed up with ours."""
        for subset in SUBSETS:
            for path in sorted((self.out / subset).rglob("*")):
                name = self._text(path)
                if path.suffix.lower() == ".json" and path.is_file() and not overwrite:
                    self._check_annotations(path, self.annotations.get(name))
                elif (
                    path.suffix.lower() in IMAGE_SUFFIXES
                    and path not in self.files
                    and path not in wanted
                ):
                    raise DatasetError(
                        f"{path} was not put there by an earlier split: new subsets would be mixed "
                        "with old ones. Move it away, or choose another folder."
                    )

    @staticmethod
    def _check_annotations(path: Path, checksum: str | None) -> None:
        if checksum is None:
            raise DatasetError(
                f"{path} was not written by an earlier split: move it away, choose another "
                "folder, or give --overwrite."
            )
        if checksum_of(path) != checksum:
            raise DatasetError(
                f"{path} has been changed since it was split off: take the corrections over into "
                "the file that is split, or give --overwrite to lose them."
            )


def _is_picture(path: Path) -> bool:
    """Whether a name is that of a picture, by its ending."""
    kind = mimetypes.guess_type(path.name)[0] or ""
    return path.suffix.lower() in IMAGE_SUFFIXES or kind.startswith("image/")


def checksum_of(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def plan_split(
    source: AnnotationSource,
    images: Path,
    folder: SplitFolder,
    settings: Settings,
    progress: Callable[[], object] = lambda: None,
) -> Split:
    """Choose the subsets; nothing is changed. `progress` is called once an image that is read.

    Images are looked for in `images` and, when they were moved, where `folder` has them. Raises
    `DatasetError` when there is no image to place.
    """
    split = Split(orphans=list(source.orphans))
    images = images.absolute()
    check_links(source.names, images)
    placer = Placer(folder.files, {}, settings.mode)
    places = {name: placer.bytes_of(images / name) for name in source.names}
    split.missing = [name for name, path in places.items() if path is None]
    names = [name for name, path in places.items() if path is not None]
    split.without_entry = _without_entry(images, set(source.names), folder)
    groups = [[name] for name in names]
    if settings.near_duplicates:
        prints, split.unreadable = read_fingerprints(
            [places[name] for name in names], settings.workers, progress
        )
        groups = [
            [names[index] for index in group]
            for group in near_duplicate_groups(prints)
            if prints[group[0]] is not None
        ]
    split.groups = [group for group in groups if len(group) > 1]
    subset_of = _assign(source, groups, settings, split)
    for subset in SUBSETS:
        split.subsets[subset] = [name for name in source.names if subset_of.get(name) == subset]
    split.without_regions = [name for name in subset_of if not source.counts[name]]
    if not subset_of:
        raise DatasetError(
            f"None of the {len(source.names)} images of {source.path} can be placed: "
            f"{len(split.missing)} are not in {images}, {len(split.unreadable)} cannot be read, "
            f"{len(split.not_listed)} are in no list. Check the folder."
        )
    return split


def _assign(source, groups: list[list[str]], settings: Settings, split: Split) -> dict[str, str]:
    """File name -> subset, by the lists or by class shares."""
    if settings.lists is not None:
        names = [name for group in groups for name in group]
        matched, unknown = match_lists(settings.lists, source.names)
        known = set(names)
        split.unknown = unknown
        split.not_listed = [name for name in source.names if name in known and name not in matched]
        split.parted = [g for g in split.groups if len({matched.get(n) for n in g} - {None}) > 1]
        return {name: subset for name, subset in matched.items() if name in known}
    classes = source.classes()
    counts = np.array(
        [source.matrix(group, classes).sum(axis=0) for group in groups], dtype=np.int64
    ).reshape(len(groups), len(classes))
    sizes = np.array([len(group) for group in groups], dtype=np.int64)
    assigned = stratify(counts, sizes, settings.ratios, settings.seed)
    pairs = zip(groups, assigned, strict=True)
    return {name: SUBSETS[index] for group, index in pairs for name in group}


def _without_entry(images: Path, named: set[str], folder: SplitFolder) -> list[str]:
    """Image files under `images` that no annotation names, as names relative to it."""
    found = []
    for path in sorted(images.rglob("*")):
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            name = path.relative_to(images).as_posix()
            ours = path in folder.files or path in folder.copies
            if name not in named and not ours and not path.is_relative_to(folder.out):
                # The record is UTF-8, which not every name on a disk is.
                found.append(os.fsencode(name).decode("utf-8", "backslashreplace"))
    return found


def carry_out(
    split: Split, source: AnnotationSource, images: Path, folder: SplitFolder, settings: Settings
) -> None:
    """Put images and annotations where `split` says; what was done is counted in `split.done`.

    Everything is checked first. Raises `DatasetError`, then without having changed anything, when
    files of somebody else are in the way.
    """
    out, images = folder.out, images.absolute()
    wanted = {out / subset / n: images / n for n, subset in split.subset_of().items()}
    folder.check_foreign(wanted, settings.overwrite)
    main = Placer(folder.files, wanted, settings.mode)
    copies = _test_copies(split, folder, settings, main, images)
    texts = {
        f"{subset}/{source.file_name}": json_text(source.part(names))
        for subset, names in split.subsets.items()
        if names
    }
    checksums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    record = _record(split, source, settings)
    if not _is_done(folder, main, copies, checksums):
        # Until all is in its place there are no annotations, and the record knows the files of
        # both runs: a training between the two finds nothing rather than a mixture.
        for name in set(folder.annotations) | set(texts):
            (out / name).unlink(missing_ok=True)
        both = {"finished": False, "annotations": folder.annotations | checksums}
        both["files"] = folder.relative(folder.files | wanted)
        both["copies"] = folder.relative(folder.copies | copies.wanted)
        write_json(out / RECORD, both, indent=1)
    copies.clear()
    split.done = main.run()
    copies.place()
    for name, text in texts.items():
        if not (out / name).is_file() or checksum_of(out / name) != checksums[name]:
            write_text(out / name, text)
    record |= {"files": folder.relative(wanted), "copies": folder.relative(copies.wanted)}
    record |= {"annotations": checksums, "finished": True}
    if not (out / RECORD).exists() or read_json(out / RECORD) != record:
        write_json(out / RECORD, record, indent=1)
    _remove_empty(out, split)


def _is_done(folder: SplitFolder, main: Placer, copies: Placer, checksums: dict[str, str]) -> bool:
    """Whether the folder holds just this split already."""
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
    """The placer of test images in a stage's folder of pictures to test on.

    A picture that somebody else has put there already is left alone and never taken out.
    """
    wanted, now = {}, {}
    for name in split.subsets["test"] if settings.test_images else ():
        # The test scripts look into one folder only.
        target = settings.test_images.absolute() / name.replace("/", "_")
        content = main.bytes_of(images / name)
        foreign = is_there(target) and target not in folder.copies
        if foreign and target.is_file() and same_content(content, target):
            continue
        home = folder.out / "test" / name
        wanted[target], now[home] = home, content
    mode = "link" if settings.mode == "link" else "copy"
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

    For the deviations see `fashion.splitting.share_deviations`.
    """
    subset_of = split.subset_of()
    names, classes = list(subset_of), source.classes()
    counts = source.matrix(names, classes)
    assigned = np.array([SUBSETS.index(subset_of[name]) for name in names], dtype=int)
    sums = np.stack([counts[assigned == index].sum(axis=0) for index in range(len(SUBSETS))])
    return classes, sums, share_deviations(counts, assigned, len(SUBSETS))
