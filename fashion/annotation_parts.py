"""The annotations a user names: a dataset folder, a folder of images, or an annotation file."""

from pathlib import Path
from typing import NamedTuple

from fashion.annotated import Annotations
from fashion.links import check_links
from fashion.locating import SUBSETS, find_annotations, read_annotations
from mrcnn.errors import DatasetError


class AnnotationPart(NamedTuple):
    """Annotations and the folder of their images (None when unknown); `subset` may be ""."""

    subset: str
    annotations: Annotations
    folder: Path | None


def annotation_parts(path: Path, images: Path | None = None) -> list[AnnotationPart]:
    """The annotations that `path` means, VIA or COCO.

    A folder with annotations in train/, val/ or test/ gives a part each, any other folder one; a
    file gives one, whose images are in `images`, else beside it. Raises `DatasetError`, also where
    images are links that lead out of their folder.
    """
    parts = _parts(path, images)
    for part in parts:
        if part.folder is not None:
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
