"""Masks of one image as VIA regions with season labels, and back.

Coordinates are VIA's: continuous pixels, x to the right, y down, (0, 0) the outer corner of the top
left pixel. They are rounded to a tenth of a pixel.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from fashion.annotations.via_shapes import ShapeError, outline, polygon_shape
from fashion.autolabel.policy import Pick
from fashion.polygons.filling import polygons_to_mask
from fashion.polygons.tracing import PolygonPart, mask_to_polygons

DECIMALS = 1
LEAST_AREA = 4.0  # pixels


def instance_regions(
    mask: np.ndarray,
    pick: Pick,
    instance: int,
    *,
    tolerance: float | None = None,
    minimum_area: float = LEAST_AREA,
) -> list[dict[str, Any]]:
    """The VIA regions of one garment: its parts, the largest first, each followed by its holes.

    mask: bool [height, width]. instance: the number that joins the regions, unique in the image.
    tolerance, minimum_area: see `fashion.polygons.tracing.mask_to_polygons`. Every region has the
    attributes `fashion` (the code), `label`, `instance` and `score`, as texts; holes have `hole`
    too. The list is empty if no part of the mask is large enough.
    """
    attributes = {
        "fashion": str(pick.code),
        "label": pick.label,
        "instance": str(instance),
        "score": f"{pick.score:.4f}",
    }
    regions = []
    parts = mask_to_polygons(mask, tolerance, minimum_area=minimum_area)
    for part in parts:
        shape = _shape(part.outline, mask.shape)
        if shape is None:
            continue
        regions.append({"shape_attributes": shape, "region_attributes": dict(attributes)})
        for hole in part.holes:
            shape = _shape(_without_islands(hole, parts), mask.shape)
            if shape is not None:
                regions.append(
                    {"shape_attributes": shape, "region_attributes": {**attributes, "hole": "1"}}
                )
    return regions


def _without_islands(hole: np.ndarray, parts: Sequence[PolygonPart]) -> np.ndarray:
    """The hole's outline with detours around the parts inside it.

    Holes are cut out of all parts of their garment, so an island in one would vanish. An outline
    that goes to the island, around it and back the same way leaves it out (even-odd rule).
    """
    detours = [hole]
    for part in parts:
        start = part.outline[0]
        if cv2.pointPolygonTest(hole.astype(np.float32), start.tolist(), False) > 0:
            detours += [hole[:1], part.outline, part.outline[:1]]
    return np.concatenate(detours) if len(detours) == 1 else np.concatenate([*detours, hole[:1]])


def _shape(points: np.ndarray, image_shape: Sequence[int]) -> dict[str, Any] | None:
    """The outline clipped to the image and rounded; None when that leaves nothing of it."""
    height, width = image_shape[:2]
    points = np.round(np.clip(points, 0, (width, height)), DECIMALS)
    moved = (points != np.roll(points, 1, axis=0)).any(axis=1)
    shape = polygon_shape(points[moved])
    try:
        outline(shape)
    except ShapeError:
        return None
    return shape


def regions_mask(regions: Sequence[dict[str, Any]], height: int, width: int) -> np.ndarray:
    """The mask that the regions of one garment describe, bool [height, width]."""
    parts: list[np.ndarray] = []
    holes: list[np.ndarray] = []
    for region in regions:
        kind = holes if region["region_attributes"].get("hole") else parts
        kind.append(outline(region["shape_attributes"]))
    return polygons_to_mask(parts, holes, height, width)


def via_entry(
    filename: str, size: int, image_shape: Sequence[int], regions: list[dict[str, Any]]
) -> dict[str, Any]:
    """A VIA 2 image entry; `size` is the file's size in bytes, `image_shape` height, width, ..."""
    return {
        "filename": filename,
        "size": size,
        "regions": regions,
        "file_attributes": {"width": int(image_shape[1]), "height": int(image_shape[0])},
    }
