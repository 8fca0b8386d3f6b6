"""Annotated images drawn with their labels, to look at before training."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fashion.annotations.annotated import AnnotatedImage
from fashion.annotations.instances import Instance, image_instances
from fashion.annotations.locating import AnnotationPart
from fashion.labels import ClassTable
from fashion.pictures.listing import wrong_size
from fashion.pictures.sheets import save_png
from fashion.polygons.filling import polygons_to_mask
from mrcnn.drawing.painting import draw_detections
from mrcnn.errors import DatasetError
from mrcnn.geometry.boxes import extract_bboxes
from mrcnn.images.reading import read_image


class ChosenImage(NamedTuple):
    """One image to draw."""

    subset: str
    image: AnnotatedImage
    folder: Path
    instances: list[Instance]


def choose_samples(
    parts: Sequence[AnnotationPart], table: ClassTable, count: int, seed: int = 0
) -> list[ChosenImage]:
    """`count` annotated images, or all if there are fewer, so that rare classes are seen too.

    Each choice is the next image, in a random order by `seed`, with the class that has been shown
    least. Images without instances or without a file are never chosen.
    """
    waiting: list[ChosenImage] = []
    for part in parts:
        if part.folder is None:
            continue
        for image in part.annotations:
            instances, _ = image_instances(image, table)
            if instances and (part.folder / image.filename).is_file():
                waiting.append(ChosenImage(part.subset, image, part.folder, instances))
    waiting = [waiting[index] for index in np.random.default_rng(seed).permutation(len(waiting))]
    shown: Counter[int] = Counter()
    chosen: list[ChosenImage] = []
    while waiting and len(chosen) < count:
        classes = [{instance.class_id for instance in sample.instances} for sample in waiting]
        index = min(range(len(waiting)), key=lambda i: min(shown[c] for c in classes[i]))
        chosen.append(waiting.pop(index))
        shown.update(classes[index])
    return chosen


def draw_sample(sample: ChosenImage, table: ClassTable) -> np.ndarray:
    """The image with masks, outlines, boxes and labels: uint8 [height, width, 3] RGB.

    Masks are drawn as training sees them, at the image's own size. Raises `DatasetError` when the
    image cannot be read.
    """
    image = read_image(sample.folder / sample.image.filename)
    height, width = image.shape[:2]
    path = sample.folder / sample.image.filename
    reason = wrong_size(path, sample.image.width, sample.image.height, (width, height))
    if reason is not None:
        raise DatasetError(reason, path=path)
    masks = np.zeros((height, width, len(sample.instances)), dtype=bool)
    for index, instance in enumerate(sample.instances):
        masks[..., index] = polygons_to_mask(instance.parts, instance.holes, height, width)
    class_ids = np.array([instance.class_id for instance in sample.instances], dtype=np.int32)
    result = {"rois": extract_bboxes(masks), "class_ids": class_ids, "masks": masks}
    return draw_detections(
        image,
        result,
        ["background", *table.names],
        {row.id: row.colour for row in table},
        captions=[_caption(instance, table) for instance in sample.instances],
    )


def _caption(instance: Instance, table: ClassTable) -> str:
    name = table.name_of(instance.class_id) + (" (crowd)" if instance.crowd else "")
    return name if instance.score is None else f"{name} {instance.score:.2f}"


def write_samples(
    samples: Sequence[ChosenImage],
    table: ClassTable,
    folder: str | os.PathLike[str],
    progress: Callable[[], object] = lambda: None,
) -> tuple[list[Path], list[str]]:
    """Draw `samples` as PNG files in `folder`; the files, and a sentence for each that failed.

    They are named after the subset and the image.
    """
    written, errors = [], []
    for sample in samples:
        name = sample.image.filename.replace("/", "_")
        path = Path(folder) / f"{sample.subset}_{name}.png".lstrip("_")
        try:
            drawn = draw_sample(sample, table)
        except DatasetError as error:
            errors.append(str(error))
        else:
            written.append(save_png(path, drawn))
        progress()
    return written, errors
