"""Every image of a data set decoded, and all that cannot be used listed."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fashion.annotation_parts import AnnotationPart, annotation_parts
from fashion.locating import IMAGE_SUFFIXES
from mrcnn.errors import DatasetError
from mrcnn.images import read_image

Expected = dict[Path, tuple[int | None, int | None]]


def images_of(parts: Iterable[AnnotationPart]) -> Expected:
    """Every image file that annotations name, or that lies in their folders.

    The values are width and height by the annotations, None where they do not tell.
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
    """Every image file in a folder and below, by its ending; their sizes are not known."""
    files = (p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    return dict.fromkeys(files, (None, None))


def bad_images(
    expected: Expected, workers: int = 2, progress: Callable[[], object] = lambda: None
) -> list[str]:
    """A sentence for each image that is missing, cannot be decoded, or has another size.

    In the order of the paths. `progress` is called once an image.
    """

    bad = []
    paths = sorted(expected)
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for sentence in pool.map(_fault, paths, (expected[path] for path in paths)):
            bad += [sentence] if sentence else []
            progress()
    return bad


def _fault(path: Path, told: tuple[int | None, int | None]) -> str | None:
    """What is wrong with an image file that should have the size `told`; None when nothing is."""
    try:
        height, width = read_image(path).shape[:2]
    except DatasetError as error:
        return str(error)
    if None not in told and told != (width, height):
        return (
            f"{path}: it is {width} x {height} pixels, but its annotations say "
            f"{told[0]} x {told[1]}; use the image that was annotated."
        )
    return None


def expected_images(data: Path, images: Path | None = None) -> Expected:
    """The images that a user means: a dataset folder, an annotation file, or any folder of images.

    A folder without annotations is taken as it is. Raises `DatasetError` as `annotation_parts`
    does otherwise.
    """
    if data.is_dir() and not any(data.glob("*.json")) and not any(data.glob("*/*.json")):
        return images_in(data)
    return images_of(annotation_parts(data, images))
