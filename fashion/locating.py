"""Where annotations and their images lie: dataset folders, their subsets, and what is in them."""

import os
from collections.abc import Sequence
from pathlib import Path

from fashion import coco, via_read
from fashion.annotated import Annotations
from fashion.json_files import read_json
from fashion.links import check_links
from mrcnn.errors import DatasetError
from mrcnn.system.files import is_file

ANNOTATION_FILE = "via_region_data.json"
SUBSETS = ("train", "val", "test")
IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"))
SHOWN = 5  # so many names stand in a message; the rest is counted


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

    `via_region_data.json` if it is there, else the only other JSON file (reports and class tables
    apart). Raises `DatasetError` when there is none, or several.
    """
    if (folder / ANNOTATION_FILE).is_file():
        return folder / ANNOTATION_FILE
    found = sorted(
        path
        for path in folder.glob("*.json")
        if not path.name.endswith(".report.json") and not path.name.startswith((".", "class"))
    )
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
        advice="put the VIA annotations of its images there (tools/coco_to_via.py makes them of a "
        "COCO file), or a COCO file",
    )


def read_annotations(path: Path, *, strict: bool = False) -> Annotations:
    """A VIA or COCO annotation file, whichever it is. Raises `DatasetError`.

    Bad regions are listed in the result's `problems`; with `strict` the first one raises.
    """
    data = read_json(path)
    if coco.is_coco(data):
        from fashion import coco_read  # OpenCV, which `--help` of many scripts must not wait for

        return coco_read.read_images(data, str(path), strict=strict)
    return via_read.from_json(data, str(path), strict=strict)


def check_present(annotations: Annotations, folder: Path, path: Path) -> None:
    """Raise `DatasetError` that lists the images named in `annotations` but not in `folder`.

    Also for links that lead out of the folder, see `fashion.links`. `path` is the annotation file.
    """
    check_links((image.filename for image in annotations), folder)
    missing = [image.filename for image in annotations if not is_file(folder / image.filename)]
    if missing:
        raise DatasetError(
            f"{len(missing)} of {len(annotations)} images that it names are not in {folder}: "
            f"{some(missing)}",
            path=path,
            advice="put them there, or take them out of the annotations",
        )


def some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    text = ", ".join(names[:SHOWN])
    return text if len(names) <= SHOWN else f"{text} and {len(names) - SHOWN} more"
