"""Which pixels look like skin, and where the face and the hair around it are."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from fashion.parsing.settings import ParsingSettings

HEAD_SHARE = 0.25  # of a person's height, from the top: where the face is looked for
LEAST_FACE = 0.004  # of a person's pixels
# Least Y of a face: the usual ranges mistake brown hair, which is darker, for skin.
DARKEST_FACE = 60
FACE_SPREAD = 3.0  # standard deviations from the face's mean colour up to which it is skin


class Face(NamedTuple):
    """One face: its skin, bool [H, W], and its box, y1, x1, y2, x2 in pixels."""

    skin: np.ndarray
    box: tuple[int, int, int, int]


def skin_by_range(image: np.ndarray, ranges: Sequence[tuple[int, int]]) -> np.ndarray:
    """Pixels whose Y, Cr and Cb are in `ranges`, ends included: bool [H, W]."""
    lower, upper = np.array(ranges, dtype=np.float64).T
    return cv2.inRange(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb), lower, upper).astype(bool)


def skin_like(image: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """Pixels with the colours of a sample of skin; both are bool [H, W].

    A Gaussian in Cr and Cb, because light and shade change mostly the Y of skin.
    """
    chroma = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)[..., 1:].astype(np.float32)
    chosen = chroma[sample].astype(np.float64)
    spread = np.cov(chosen.T) + np.eye(2)  # a drawn face of one colour has no spread
    offset = chroma - chosen.mean(axis=0).astype(np.float32)
    inverse = np.linalg.inv(spread).astype(np.float32)
    distance = ((offset @ inverse) * offset).sum(axis=-1)
    return distance < FACE_SPREAD**2


def find_faces(
    image: np.ndarray, body: np.ndarray | None, labels: np.ndarray, settings: ParsingSettings
) -> list[Face]:
    """The largest piece of skin at the top of each person; empty if no body is known.

    Args:
        image: uint8 [H, W, 3].
        body: bool [H, W], all persons.
        labels: uint8 [H, W], garments, where there is no face.
        settings: its `skin_range` gives Cr and Cb of a face.
    """
    if body is None or not body.any():
        return []
    _, *chroma = settings.skin_range
    light = skin_by_range(image, ((DARKEST_FACE, 255), *chroma))
    skin = (light & body & (labels == 0)).view(np.uint8)
    count, _, boxes, _ = cv2.connectedComponentsWithStats(body.view(np.uint8))
    faces = []
    for left, top, width, height, area in boxes[1:count].tolist():
        head = np.s_[top : top + max(1, round(HEAD_SHARE * height)), left : left + width]
        face = _largest_part(skin, head)
        if face is not None and face.skin.sum() >= max(4, LEAST_FACE * area):
            faces.append(face)
    return faces


def _largest_part(skin: np.ndarray, window: tuple[slice, slice]) -> Face | None:
    count, parts, boxes, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(skin[window]))
    if count < 2:
        return None
    largest = 1 + int(boxes[1:, cv2.CC_STAT_AREA].argmax())
    x, y, width, height = (int(n) for n in boxes[largest][:4])
    y, x = y + window[0].start, x + window[1].start
    whole = np.zeros(skin.shape, bool)
    whole[window] = parts == largest
    return Face(whole, (y, x, y + height, x + width))


def skin_pixels(image: np.ndarray, faces: list[Face], settings: ParsingSettings) -> np.ndarray:
    """What counts as skin under `settings.skin`: bool [H, W]."""
    if settings.skin == "off":
        return np.zeros(image.shape[:2], bool)
    if settings.skin == "range" or not faces:
        return skin_by_range(image, settings.skin_range)
    return np.logical_or.reduce([skin_like(image, face.skin) for face in faces])


def heads(faces: list[Face], shape: tuple[int, int]) -> np.ndarray:
    """The surroundings of the faces in which hair begins: bool [H, W]."""
    around = np.zeros(shape, bool)
    for face in faces:
        y1, x1, y2, x2 = face.box
        height, width = y2 - y1, x2 - x1
        top, left = max(0, y1 - round(0.8 * height)), max(0, x1 - round(0.6 * width))
        around[top : y2 + round(0.1 * height), left : x2 + round(0.6 * width)] = True
    return around
