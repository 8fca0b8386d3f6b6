"""Finding the annotations that a user names: a data set, a folder of images, or a file.

Links among images that lead out of the folder are not followed: a data set from somebody else could
otherwise bring pictures of this machine into what is trained, drawn or published. Set
`FASHION_MRCNN_FOLLOW_LINKS=1` to follow links that you made yourself.
"""

import os
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from fashion.annotations import coco, via_reading
from fashion.annotations.annotated import AnnotatedImage, Annotations
from fashion.command_table import with_commands
from fashion.json_files import read_json
from mrcnn.errors import DatasetError, counted, printable
from mrcnn.system.files import is_file

ANNOTATION_FILE = "via_region_data.json"
CLASS_TABLES = ("classes.json", "class_names.json", "class_table.json")
SUBSETS = ("train", "val", "test")
IMAGE_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".gif")
)
SHOWN = 5  # at most this many names in a message; the rest are counted


def subset_folder(folder: str | os.PathLike[str], subset: str) -> Path:
    """The folder of one subset, "" for `folder` itself. Raises `DatasetError` if it is missing."""
    root = Path(folder)
    layout = f"train/ and val/, each with images and {ANNOTATION_FILE}"
    if not root.is_dir():
        raise DatasetError("the dataset folder does not exist", path=root, expected=layout)
    if subset and not (root / subset).is_dir():
        raise DatasetError(f"the dataset folder has no folder {subset}", path=root, expected=layout)
    return root / subset


def find_annotations(folder: Path) -> Path:
    """The annotation file among the images of `folder`, VIA or COCO, not opened yet.

    `via_region_data.json` if it is there, else the only other JSON file (apart from reports and, if
    there are several, class tables). Raises `DatasetError` when there is none, or several.
    """
    if (folder / ANNOTATION_FILE).is_file():
        return folder / ANNOTATION_FILE
    found = sorted(
        path
        for path in folder.glob("*.json")
        if not path.name.endswith(".report.json") and not path.name.startswith(".")
    )
    if len(found) > 1:
        found = [path for path in found if path.name not in CLASS_TABLES] or found
    if len(found) == 1:
        return found[0]
    if found:
        raise DatasetError(
            f"the folder has several JSON files ({some([p.name for p in found])})",
            path=folder,
            advice=f"name the one with the annotations {ANNOTATION_FILE}",
        )
    raise DatasetError(
        f"the folder has no {ANNOTATION_FILE}",
        path=folder,
        advice=with_commands(
            "put the VIA annotations of its images there (tools/coco_to_via.py makes them of a "
            "COCO file), or a COCO file"
        ),
    )


def picture_path(folder: Path, name: str) -> Path:
    """The file of a picture in `folder`, whichever Unicode form its name has on the disk.

    macOS decomposes letters with accents, and annotation tools compose them.
    """
    path = folder / name
    if name.isascii() or is_file(path):
        return path
    place = folder
    for part in Path(name).parts:
        composed = unicodedata.normalize("NFC", part)
        try:
            there = (place / part).exists()
            names = [part] if there else [path.name for path in place.iterdir()]
        except OSError:
            return path
        same = (one for one in names if unicodedata.normalize("NFC", one) == composed)
        place = place / next(same, part)
    return place


def use_names_on_disk(annotations: Iterable[AnnotatedImage], folder: Path) -> None:
    """Give each image the file name that it has in `folder`; see `picture_path`."""
    for image in annotations:
        if not image.filename.isascii():
            path = picture_path(folder, image.filename)
            image.filename = path.relative_to(folder).as_posix()


def read_annotations(path: Path, *, strict: bool = False) -> Annotations:
    """A VIA or COCO annotation file, whichever it is. Raises `DatasetError`.

    Bad regions are listed in the result's `problems`; with `strict` the first one raises.
    """
    data = read_json(path)
    if coco.is_coco(data):
        from fashion.annotations import (
            coco_reading,  # imports OpenCV, which `--help` of many scripts must not wait for
        )

        return coco_reading.read_images(data, str(path), strict=strict)
    return via_reading.from_json(data, str(path), strict=strict)


def check_present(annotations: Annotations, folder: Path, path: Path) -> None:
    """Raise a `DatasetError` that lists the images named in `annotations` but not in `folder`.

    The images get the names of their files (`use_names_on_disk`). Also raises for links that lead
    out of the folder. `path` is the annotation file.
    """
    use_names_on_disk(annotations, folder)
    check_links((image.filename for image in annotations), folder)
    missing = [image.filename for image in annotations if not is_file(folder / image.filename)]
    if missing:
        raise DatasetError(
            f"{len(missing)} of {counted(len(annotations), 'image')} that it names cannot be found "
            f"in {folder}: {some(missing)}",
            path=path,
            advice="put them there, or take them out of the annotations",
        )


def some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    text = ", ".join(names[:SHOWN])
    return text if len(names) <= SHOWN else f"{text} and {len(names) - SHOWN} more"


def is_other_file(name: str) -> bool:
    """Whether a file name is neither a picture's, nor hidden, nor that of annotations."""
    path = PurePath(name)
    return path.suffix.lower() not in (*IMAGE_SUFFIXES, ".json") and not path.name.startswith(".")


def print_not_read(names: Iterable[str], folder: object) -> None:
    """Print a line on stderr that counts and names what is among the pictures and is not read.

    names: all names in the folder; those of folders end in "/".
    """
    others = sorted(printable(name) for name in names if is_other_file(name))
    if others:
        what = counted(len(others), "entry that is not a picture", "entries that are not pictures")
        print(f"skipped in {folder}: {what} ({some(others)})", file=sys.stderr)


class AnnotationPart(NamedTuple):
    """Annotations and the folder of their images (None when unknown); `subset` may be ""."""

    subset: str
    annotations: Annotations
    folder: Path | None


def annotation_parts(path: Path, images: Path | None = None) -> list[AnnotationPart]:
    """The annotations that `path` means, VIA or COCO.

    A folder with annotations in train/, val/ or test/ gives a part for each, any other folder one;
    a file gives one, whose images are in `images`, else beside it. Raises `DatasetError`, also
    where images are links that lead out of their folder.
    """
    parts = _parts(path, images)
    for part in parts:
        if part.folder is not None:
            use_names_on_disk(part.annotations, part.folder)
            check_links((image.filename for image in part.annotations), part.folder)
    return parts


def _parts(path: Path, images: Path | None) -> list[AnnotationPart]:
    if path.is_file():
        return [AnnotationPart("", read_annotations(path), images or path.absolute().parent)]
    if not path.is_dir():
        raise DatasetError(
            "it does not exist", path=path, advice="name a dataset folder or an annotation file"
        )
    subsets = [subset for subset in SUBSETS if any((path / subset).glob("*.json"))]
    if not subsets:
        return [AnnotationPart("", read_annotations(find_annotations(path)), images or path)]
    folders = [path / subset for subset in subsets]
    return [
        AnnotationPart(subset, read_annotations(find_annotations(folder)), folder)
        for subset, folder in zip(subsets, folders, strict=True)
    ]


VARIABLE = "FASHION_MRCNN_FOLLOW_LINKS"
LINKS_SHOWN = 3


def links_are_followed() -> bool:
    """Whether the user allows links out of a folder."""
    return os.environ.get(VARIABLE) == "1"


def leads_out(folder: Path, name: str) -> bool:
    """Whether `folder / name` is, or is reached through, a link to a place outside `folder`.

    The folder itself may be a link. False where such links are allowed.
    """
    place, is_link = folder, False
    for part in Path(name).parts:
        place = place / part
        is_link = is_link or place.is_symlink()
    if not is_link or links_are_followed():
        return False
    root, target = os.path.realpath(folder), os.path.realpath(place)
    return not Path(target).is_relative_to(root)


def check_links(names: Iterable[str], folder: Path) -> None:
    """Raise `DatasetError` if images of a folder are links that lead out of it."""
    leaving = [name for name in names if leads_out(folder, name)]
    if leaving:
        some = ", ".join(leaving[:LINKS_SHOWN]) + (", .." if len(leaving) > LINKS_SHOWN else "")
        raise DatasetError(
            f"links among its images lead out of it ({len(leaving)}: {some})",
            path=folder,
            advice=f"copy the files there, or set {VARIABLE}=1 in the environment if you made the "
            "links yourself",
        )
