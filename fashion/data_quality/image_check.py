"""Decoding every image of a data set, and listing those that cannot be used."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fashion.annotations.locating import (
    IMAGE_SUFFIXES,
    AnnotationPart,
    annotation_parts,
    is_other_file,
)
from mrcnn.errors import DatasetError
from mrcnn.images.reading import read_image

Expected = dict[Path, tuple[int | None, int | None]]


def images_of(parts: Iterable[AnnotationPart]) -> Expected:
    """Every image file that annotations name or that is in their folders.

    The values are width and height by the annotations, None where they are not given.
    """
    found: Expected = {}
    for part in parts:
        if part.folder is None:
            continue
        found |= images_in(part.folder)
        for image in part.annotations:
            found[part.folder / image.filename] = (image.width, image.height)
    return found


def images_in(folder: Path) -> Expected:
    """Every image file in a folder and below, by its ending; the sizes are not known."""
    files = (p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    return dict.fromkeys(files, (None, None))


def bad_images(
    expected: Expected, workers: int = 2, progress: Callable[[], object] = lambda: None
) -> list[str]:
    """A sentence for each image that is missing, cannot be decoded, or has another size.

    In the order of the paths. `progress` is called once for each image.
    """
    bad = []
    paths = sorted(expected)
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for sentence in pool.map(_fault, paths, (expected[path] for path in paths)):
            bad += [sentence] if sentence else []
            progress()
    return bad


def _fault(path: Path, size: tuple[int | None, int | None]) -> str | None:
    """What is wrong with an image file that should have this width and height; None: nothing."""
    try:
        height, width = read_image(path).shape[:2]
    except DatasetError as error:
        return str(error)
    if None not in size and size != (width, height):
        return DatasetError(
            "the size is not that of the annotations",
            path=path,
            expected=f"{size[0]} x {size[1]} pixels",
            found=f"{width} x {height}",
            advice="use the image that was annotated",
        ).sentence()
    return None


def expected_images(data: Path, images: Path | None = None) -> Expected:
    """The images of a dataset folder, an annotation file, or any folder of images.

    A folder without annotations is used as it is; otherwise `DatasetError` is raised as by
    `fashion.annotations.locating`.
    """
    if data.is_dir() and not any(data.glob("*.json")) and not any(data.glob("*/*.json")):
        return images_in(data)
    return images_of(annotation_parts(data, images))


def other_files(data: Path, images: Path | None = None) -> list[Path]:
    """The files among the images that are not read as such: videos, texts, archives, ...

    Args:
        data, images: as for `expected_images`.
    """
    root = images or (data if data.is_dir() else data.parent)
    return sorted(p for p in root.rglob("*") if is_other_file(p.name) and p.is_file())
