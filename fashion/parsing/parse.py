"""Clothing parsing of one photograph: body, garments and superpixels to one label per pixel.

    detections -> persons, garments -> who wears what -> evidence for each class
               -> pixel-level labels -> superpixels -> joint labels -> objects

Everything here takes arrays and returns arrays: no network runs, no file is read. Images are uint8
RGB [H, W, 3]; boxes [y1, x1, y2, x2] in pixels, exclusive at y2 and x2; labels are class ids of the
garments' table (ModaNet: 1 to 13), 0 is the background.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from fashion.labels import MODANET_TABLE, ClassTable
from fashion.parsing.detections import (
    PERSON,
    Detections,
    chosen_wearers,
    detections_of,
    labels_of_instances,
    scores_of_instances,
)
from fashion.parsing.objects import ClothingObject, take_apart
from fashion.parsing.settings import ParsingSettings
from fashion.parsing.superpixels import refine, segment
from mrcnn.drawing.painting import smaller
from mrcnn.geometry.masks import nearest_pixels

__all__ = ["Detections", "Parsed", "ParsingSettings", "parse"]


@dataclass(frozen=True)
class Parsed:
    """One parsed photograph.

    Attributes:
        image: uint8 [H, W, 3].
        garments: the clothing that was detected.
        persons: the persons that were detected; empty also where no detector ran.
        worn_by: int32 [garments], the index of each garment's wearer, -1 for nobody.
        pixel_labels: uint8 [H, W], from the masks alone.
        superpixels: int32 [H, W], numbered from 1; 0 where there is none.
        joint_labels: uint8 [H, W], from masks and superpixels together.
        objects: all garments, then all persons, taken apart.
        looked_for_persons: False where no persons' detector ran.
    """

    image: np.ndarray
    garments: Detections
    persons: Detections
    worn_by: np.ndarray
    pixel_labels: np.ndarray
    superpixels: np.ndarray
    joint_labels: np.ndarray
    objects: Sequence[ClothingObject]
    looked_for_persons: bool = True

    @cached_property
    def body(self) -> np.ndarray | None:
        """The pixels of all persons, bool [H, W]; None if there is nobody."""
        return _union(self.persons)

    @cached_property
    def added(self) -> np.ndarray:
        """Pixels to which the superpixels gave a garment, or another one, bool [H, W]."""
        return (self.joint_labels != self.pixel_labels) & (self.joint_labels > 0)

    def shrunk(self, longest: int) -> "Parsed":
        """The same with this longer side, in pixels, to be drawn; the objects stay as they are."""
        image = smaller(self.image, longest)
        if image is self.image:
            return self
        size = image.shape[:2]
        return replace(
            self,
            image=image,
            garments=self.garments.resized(*size),
            persons=self.persons.resized(*size),
            pixel_labels=nearest_pixels(self.pixel_labels, *size),
            superpixels=nearest_pixels(self.superpixels, *size),
            joint_labels=nearest_pixels(self.joint_labels, *size),
        )


def parse(
    image: np.ndarray,
    garments: Mapping[str, np.ndarray] | None,
    persons: Mapping[str, np.ndarray] | None = None,
    settings: ParsingSettings | None = None,
    table: ClassTable = MODANET_TABLE,
) -> Parsed:
    """Parse one photograph from what two detectors found on it.

    Superpixels, their vote and completion are worked out at `settings.superpixel_side`; what they
    change is carried over to the photograph's own size.

    Args:
        image: uint8 RGB [H, W, 3].
        garments, persons: as `MaskRCNN.detect` gives them: rois, class_ids, scores, masks, and
            perhaps soft_masks; None if no detector ran. Of persons only class 1 (COCO's person)
            is used.
        settings: see `ParsingSettings`.
        table: the garments' classes.

    Raises:
        DatasetError: image and masks differ in size.
    """
    settings = settings or ParsingSettings()
    least = settings.minimum_confidence
    found = detections_of(garments, image.shape, least, range(1, len(table) + 1))
    people = detections_of(persons, image.shape, least, [PERSON])
    found, people, worn_by = chosen_wearers(found, people, settings.person)
    thin = frozenset(row.id for row in map(table.find, settings.pixel_classes) if row)
    small = smaller(image, settings.superpixel_side)
    seen, wearing = found, people
    if small is not image:
        seen, wearing = (some.resized(*small.shape[:2]) for some in (found, people))
        seen = seen.chosen(np.flatnonzero(seen.masks.any(axis=(0, 1))))
    scores = scores_of_instances(seen, on_top=thin)
    body = _union(wearing)
    superpixels = segment(small, settings, body)
    joint = refine(small, scores, body, settings, superpixels=superpixels, table=table)
    pixel_labels = scores.labels
    if small is not image:
        pixel_labels = labels_of_instances(found, thin)
        joint = _carried_over(joint, scores.labels, pixel_labels)
        superpixels = nearest_pixels(superpixels, *image.shape[:2])
    return Parsed(
        image=image,
        garments=found,
        persons=people,
        worn_by=worn_by,
        pixel_labels=pixel_labels,
        superpixels=superpixels,
        joint_labels=joint,
        objects=take_apart(image, found, people, worn_by, table),
        looked_for_persons=persons is not None,
    )


def _carried_over(joint: np.ndarray, before: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Joint labels of the photograph's own size: uint8 [H, W].

    Where superpixels changed nothing, the finer outlines of the masks stay.

    joint, before: uint8 [h, w], joint and pixel-level labels of the small photograph; labels: uint8
        [H, W], the pixel-level ones of the large one.
    """
    # Also beside a change: else unlabelled slivers would remain between a mask's two outlines.
    changed = cv2.dilate((joint != before).view(np.uint8), np.ones((3, 3), np.uint8))
    size = labels.shape
    return np.where(nearest_pixels(changed, *size) > 0, nearest_pixels(joint, *size), labels)


def _union(persons: Detections) -> np.ndarray | None:
    """The pixels of all persons, bool [H, W]; None if there is nobody."""
    return np.any(persons.masks, axis=2) if len(persons) else None
