"""Clothing parsing of one photograph: body, garments and superpixels to one label a pixel.

    detections -> persons, garments -> who wears what -> evidence for each class
               -> pixel-level labels -> superpixels -> joint labels -> objects

Everything here takes arrays and returns arrays: no network runs, no file is read. Images are uint8
RGB [H, W, 3]; boxes [y1, x1, y2, x2] in pixels, exclusive at y2 and x2; labels are class ids of the
garments' table (ModaNet: 1 to 13), 0 is the background.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fashion.labels import MODANET_TABLE, ClassTable
from fashion.parsing.detections import (
    PERSON,
    Detections,
    chosen_wearers,
    detections_of,
    scores_of_instances,
)
from fashion.parsing.objects import ClothingObject, take_apart
from fashion.parsing.settings import ParsingSettings
from fashion.parsing.superpixels import refine, segment

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

    @property
    def body(self) -> np.ndarray | None:
        """The pixels of all persons, bool [H, W]; None where there is nobody."""
        return _union(self.persons)

    @property
    def added(self) -> np.ndarray:
        """Pixels to which the superpixels gave a garment, or another one, bool [H, W]."""
        return (self.joint_labels != self.pixel_labels) & (self.joint_labels > 0)


def parse(
    image: np.ndarray,
    garments: Mapping[str, np.ndarray] | None,
    persons: Mapping[str, np.ndarray] | None = None,
    settings: ParsingSettings | None = None,
    table: ClassTable = MODANET_TABLE,
) -> Parsed:
    """Parse one photograph from what two detectors found on it.

    Args:
        image: uint8 RGB [H, W, 3].
        garments, persons: as `MaskRCNN.detect` gives them: rois, class_ids, scores, masks, and
            perhaps soft_masks; None where no detector ran. Of persons only class 1 (COCO's person)
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
    scores = scores_of_instances(found, on_top=thin)
    body = _union(people)
    superpixels = segment(image, settings, body)
    joint = refine(image, scores, body, settings, superpixels=superpixels, table=table)
    return Parsed(
        image=image,
        garments=found,
        persons=people,
        worn_by=worn_by,
        pixel_labels=scores.labels,
        superpixels=superpixels,
        joint_labels=joint,
        objects=take_apart(image, found, people, worn_by, table),
        looked_for_persons=persons is not None,
    )


def _union(persons: Detections) -> np.ndarray | None:
    """The pixels of all persons, bool [H, W]; None where there is nobody."""
    return np.any(persons.masks, axis=2) if len(persons) else None
