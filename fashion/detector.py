"""Garments on a picture in three lines of Python.

    import fashion

    model = fashion.load("photo")  # or the path of a weight file
    found = model.detect("picture.jpg")
    print(found)
    found.save("out.png")

For anything else, use what it is built on: `fashion.stages.models` and `mrcnn.model`.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from fashion import PHOTO_WEIGHTS
from fashion.labels import MODANET_TABLE, SEASON_TABLE, ClassTable
from fashion.stages.models import (
    ModelChoice,
    WeightFile,
    check_preset,
    describe_weights,
    find_weights,
    loaded_model,
    looking_closer,
    preset_of,
)
from fashion.stages.presets import find_preset
from fashion.stages.stage import MODANET_STAGE, Stage
from fashion.stages.training_labels import with_codes
from fashion.terminal import native_notes_left_out, quiet_tensorflow
from mrcnn.errors import WeightsError, WeightsNotFoundError
from mrcnn.inference.closer_look import CloserLook, InferenceModel

PHOTO = "photo"


def load(
    weights: str | os.PathLike[str] = PHOTO,
    *,
    preset: str | None = None,
    precision: str = "auto",
    min_confidence: float | None = None,
) -> "GarmentDetector":
    """A model that is ready to detect.

    Args:
        weights: "photo", the model for photographs that comes with the package; or a weight file,
            as a path or a bare name in the stages' folders.
        preset: the network's; None for the one that the file names, else "default".
        precision: Config.PRECISION.
        min_confidence: drop detections scored lower, 0 to 1; None for the preset's.

    Raises:
        WeightsError: the file is missing, damaged, not a weight file, or for another network.
        ConfigError: there is no such preset, or a value cannot be used.
    """
    if preset:
        find_preset(preset)
    description = describe_weights(_path_of(weights))
    check_preset(description, preset)
    stage = Stage("detector", Path(), _table_of(description), description.path.name)
    choice = ModelChoice(stage, description, preset, precision, min_confidence)
    # TensorFlow reads the variable when it is imported, which is here at the latest.
    with quiet_tensorflow(), native_notes_left_out():
        model = looking_closer(
            choice, description, lambda chosen: loaded_model(chosen, description)
        )
    return GarmentDetector(model, stage.table, description.path, preset_of(description, preset))


def _path_of(weights: str | os.PathLike[str]) -> Path:
    if str(weights) != PHOTO:
        return find_weights(weights, MODANET_STAGE)
    if not PHOTO_WEIGHTS.is_file():
        raise WeightsNotFoundError(
            "this version comes without weights for photographs",
            path=PHOTO_WEIGHTS,
            advice="give your own weight file: fashion.load('FILE.h5')",
        )
    return PHOTO_WEIGHTS


def _table_of(weights: WeightFile) -> ClassTable:
    """The classes of a weight file; one without names has ModaNet's or the nine season labels."""
    known = {len(table): table for table in (MODANET_TABLE, SEASON_TABLE)}
    if weights.classes is None:
        if weights.class_count not in known:
            raise WeightsError(
                "the file does not say for which classes it was trained",
                path=weights.path,
                expected=f"names, or {len(MODANET_TABLE)} or {len(SEASON_TABLE)} classes",
                found=f"{weights.class_count or 'no'} classes",
                advice="use mrcnn.model.MaskRCNN, which takes any weights",
            )
        return known[weights.class_count]
    own = known.get(len(weights.classes))
    if own and own.names == weights.classes:
        return own
    return with_codes(weights.table or ClassTable(weights.classes))


@dataclass(frozen=True)
class GarmentDetector:
    """A model with its classes; made by `load`.

    Attributes:
        model: the `MaskRCNN` that detects, in a `CloserLook` if its weights know persons.
        table: its classes.
        path: the weight file.
        preset: the preset it was trained with.
    """

    model: InferenceModel
    table: ClassTable
    path: Path
    preset: str

    @property
    def names(self) -> tuple[str, ...]:
        """The class names, without the background."""
        return self.table.names

    def __repr__(self) -> str:
        least = self.model.config.DETECTION_MIN_CONFIDENCE
        if isinstance(self.model, CloserLook):
            least = self.model.confidence
        classes = ", ".join(self.names[:5]) + (", ..." if len(self.names) > 5 else "")
        return (
            f"<GarmentDetector {self.path.name}: {len(self.names)} classes ({classes}), "
            f"preset {self.preset}, scores from {least:g}>"
        )

    def detect(self, picture: str | os.PathLike[str] | np.ndarray) -> "Detections":
        """Detect what is on a picture: a file, or uint8 RGB [height, width, 3].

        Raises:
            DatasetError: there is no such file, or it is not a picture.
        """
        from mrcnn.images.reading import read_image

        if isinstance(picture, np.ndarray):
            name, image = "", picture
        else:
            name, image = Path(picture).name, read_image(picture)
        with native_notes_left_out():
            result = self.model.detect([image])[0]
        return Detections(
            name,
            image,
            self.table,
            result["rois"],
            result["class_ids"],
            result["scores"],
            result["masks"],
        )


@dataclass(frozen=True, eq=False, repr=False)
class Detections:
    """What was found on one picture, best score first.

    Attributes:
        picture: its file name; empty if it was given as an array.
        image: uint8 RGB [height, width, 3].
        table: the model's classes.
        boxes: int32 [N, (y1, x1, y2, x2)] in pixels, y2 and x2 exclusive.
        class_ids: int32 [N], from 1.
        scores: float32 [N], 0 to 1.
        masks: bool [height, width, N].
    """

    picture: str
    image: np.ndarray
    table: ClassTable
    boxes: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray
    masks: np.ndarray

    @property
    def names(self) -> list[str]:
        """The class name of each detection."""
        return [self.table.name_of(int(i)) for i in self.class_ids]

    @cached_property
    def polygons(self) -> list[list[np.ndarray]]:
        """The outlines of each detection, one per connected part: float64 [n, (x, y)] in pixels.

        Only `masks` has the holes.
        """
        from fashion.polygons.tracing import mask_to_polygons

        return [
            [part.outline for part in mask_to_polygons(self.masks[..., i])]
            for i in range(len(self))
        ]

    def __len__(self) -> int:
        return len(self.class_ids)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Each detection as a dictionary: name, score, box, mask [height, width]."""
        for i, name in enumerate(self.names):
            yield {
                "name": name,
                "score": float(self.scores[i]),
                "box": tuple(int(value) for value in self.boxes[i]),
                "mask": self.masks[..., i],
            }

    def __repr__(self) -> str:
        """A summary in one line, then a line for each detection."""
        height, width = self.image.shape[:2]
        counts = ", ".join(f"{count} {name}" for name, count in Counter(self.names).items())
        head = f"{self.picture or 'picture'} ({width} x {height}): {counts or 'nothing found'}"
        wide = max(map(len, self.names), default=0)
        lines = [
            f"  {one['name']:<{wide}}  {one['score']:.2f}  box y {one['box'][0]}-{one['box'][2]}, "
            f"x {one['box'][1]}-{one['box'][3]}"
            for one in self
        ]
        return "\n".join([head, *lines])

    def drawn(self) -> np.ndarray:
        """The picture with masks, boxes, names and scores: uint8 RGB [height, width, 3]."""
        from mrcnn.drawing.painting import draw_detections

        result = {
            "rois": self.boxes,
            "class_ids": self.class_ids,
            "scores": self.scores,
            "masks": self.masks,
        }
        colours = {row.id: row.colour for row in self.table}
        return draw_detections(self.image, result, ["background", *self.table.names], colours)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write `drawn()` as PNG, and return the path. Raises `UserError` if it cannot."""
        from fashion.pictures.sheets import save_png

        return save_png(path, self.drawn())

    def _repr_png_(self) -> bytes:
        """The picture that a notebook shows."""
        import cv2

        return cv2.imencode(".png", self.drawn()[..., ::-1])[1].tobytes()

    def to_coco(self) -> dict[str, Any]:
        """A COCO object: the image, an annotation with a score for each detection, all categories.

        Masks are polygons, or run-lengths where they have holes. Ids count from 1.
        """
        height, width = self.image.shape[:2]
        return {
            "images": [{"id": 1, "file_name": self.picture, "height": height, "width": width}],
            "annotations": [self._annotation(i) for i in range(len(self))],
            "categories": [{"id": row.id, "name": row.name} for row in self.table],
        }

    def _annotation(self, index: int) -> dict[str, Any]:
        y1, x1, y2, x2 = (int(value) for value in self.boxes[index])
        return {
            "id": index + 1,
            "image_id": 1,
            "category_id": int(self.class_ids[index]),
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "area": int(self.masks[..., index].sum()),
            "iscrowd": 0,
            "segmentation": _segmentation(self.masks[..., index]),
            "score": float(self.scores[index]),
        }


def _segmentation(mask: np.ndarray) -> list[list[float]] | dict[str, Any]:
    """A mask [height, width] as COCO writes it."""
    from pycocotools import mask as coco_masks

    from fashion.polygons.tracing import mask_to_polygons

    parts = mask_to_polygons(mask)
    if parts and not any(part.holes for part in parts):
        return [part.outline.round(2).ravel().tolist() for part in parts]
    packed = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(packed["size"]), "counts": packed["counts"].decode("ascii")}
