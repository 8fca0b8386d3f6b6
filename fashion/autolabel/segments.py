"""Cut-outs: each labelled garment of a photograph as a separate picture."""

import re
from collections.abc import Container
from pathlib import Path

import cv2
import numpy as np

from mrcnn.system.files import replacing, saving

ADVICE = "make room, make the folder writable, or choose another"
JPEG_QUALITY = 95
PAPER = 255
_SEGMENT = re.compile(r"(.+)_segment_\d+\.(jpg|png)")


def cut_out(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of an image that holds a mask: uint8 RGB [h, w, 3], and the mask there, bool [h, w].

    image: uint8 [height, width, 3]; mask: bool [height, width]. h and w are 0 for an empty mask.
    """
    left, top, width, height = cv2.boundingRect(np.ascontiguousarray(mask).view(np.uint8))
    box = np.s_[top : top + height, left : left + width]
    return image[box], mask[box]


def write_segments(
    folder: Path, name: str, image: np.ndarray, masks: list[np.ndarray], *, alpha: bool = False
) -> None:
    """Write `<name>_segment_<k>.jpg` for each mask, k from 1: its box, white outside the mask.

    With `alpha` a PNG of the same name too, transparent outside the mask. What an earlier run left
    of the same picture is removed: segments with greater numbers, PNGs without `alpha`, segments of
    masks without a pixel. Raises `UserError` when a file cannot be written.
    """
    for number, mask in enumerate(masks, 1):
        segment, inside = cut_out(image, mask)
        stem = f"{name}_segment_{number}"
        if not inside.size:
            remove_files(folder / f"{stem}.jpg", folder / f"{stem}.png")
            continue
        white = np.where(inside[..., None], segment, np.uint8(PAPER))
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        _write(folder / f"{stem}.jpg", cv2.imencode(".jpg", white[..., ::-1], quality)[1])
        if alpha:
            cut = np.dstack([segment[..., ::-1], inside.astype(np.uint8) * 255])
            _write(folder / f"{stem}.png", cv2.imencode(".png", cut)[1])
        else:
            remove_files(folder / f"{stem}.png")
    remove_segments(folder, name, len(masks) + 1)


def remove_segments(folder: Path, name: str, number: int = 1) -> None:
    """Remove the cut-outs of a picture from this number on. Raises `UserError`."""
    endings = ("jpg", "png")
    while remove_files(*(folder / f"{name}_segment_{number}.{ending}" for ending in endings)):
        number += 1


def _write(path: Path, data: np.ndarray) -> None:
    with saving(path, advice=ADVICE), replacing(path) as stream:
        stream.write(data.tobytes())


def remove_files(*paths: Path) -> bool:
    """Remove those of `paths` that exist; return whether any did. Raises `UserError`."""
    there = [path for path in paths if path.exists()]
    for path in there:
        with saving(path, problem="cannot be removed", advice=ADVICE):
            path.unlink(missing_ok=True)
    return bool(there)


def is_segment(file_name: str, names: Container[str]) -> bool:
    """Whether a file of this name is a cut-out of one of the pictures `names`."""
    match = _SEGMENT.fullmatch(file_name)
    return match is not None and match[1] in names
