"""Persons and what they wear, among detections of both."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mrcnn.inference.closer_look import shares_inside

WORN = 0.4  # least score of a garment that belongs to a person
ON_PERSON = 0.5  # least share of its box within the person's


def dress_persons(result: Mapping[str, Any], person: int) -> dict[str, Any]:
    """Add the pixels of garments to the masks of the persons who wear them.

    A network is surer where a hem or a bag ends than where the person does.

    Args:
        result: as `MaskRCNN.detect` gives it, garments and persons.
        person: class id of persons; what has another one is a garment.

    Returns:
        The result with larger masks of persons.
    """
    is_person = result["class_ids"] == person
    persons = np.flatnonzero(is_person)
    garments = np.flatnonzero(~is_person & (result["scores"] >= WORN))
    if not len(persons) or not len(garments):
        return dict(result)
    masks = np.array(np.moveaxis(result["masks"], -1, 0))
    shares = shares_inside(result["rois"][garments], result["rois"][persons])
    for garment, share in zip(garments, shares, strict=True):
        if share.max() >= ON_PERSON:
            masks[persons[share.argmax()]] |= masks[garment]
    return {**result, "masks": np.moveaxis(masks, 0, -1)}
