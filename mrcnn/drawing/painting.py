"""Masks, outlines, boxes and captions painted onto images with NumPy and OpenCV.

Every function accepts any of the usual kinds of image (see `as_rgb`) and returns a new RGB array,
uint8 [H, W, 3], of the same height and width; nothing is changed in place. Colours are RGB triples
of 0..255. Boxes are pixel boxes [y1, x1, y2, x2], exclusive at y2 and x2. Masks are bool
[H, W, N]. N may be 0 everywhere.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from mrcnn.drawing.captions import Label, write_labels
from mrcnn.drawing.palette import Colour, class_colour
from mrcnn.errors import UserError
from mrcnn.geometry.masks import resize_detections

LONGEST = 2048  # pixels of a drawing's longer side, unless full size is requested


class Style(NamedTuple):
    """Sizes in pixels that suit one image."""

    line: int
    contour: int
    text: int


def style_for(height: int, width: int) -> Style:
    """Line widths and letter size for an image of this size, in its pixels."""
    side = math.sqrt(max(height, 1) * max(width, 1))
    return Style(
        line=max(1, round(side / 450)),
        contour=max(1, round(side / 320)),
        text=max(10, round(side / 42)),
    )


def as_rgb(image: np.ndarray) -> np.ndarray:
    """A contiguous uint8 [H, W, 3] copy of an image.

    Accepts [H, W], [H, W, 1], [H, W, 3] and [H, W, 4] (the alpha channel is dropped). Bool becomes
    black and white; other dtypes are treated as 0..255 and clipped. Raises `UserError` for any
    other shape.
    """
    image = np.asarray(image)
    if image.ndim == 2:
        image = image[..., np.newaxis]
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4) or 0 in image.shape:
        raise UserError(
            "cannot draw on an array of this shape",
            expected="[height, width] with 1, 3 or 4 channels",
            found=image.shape,
        )
    if image.dtype == bool:
        image = image * np.uint8(255)
    elif image.dtype != np.uint8:
        image = np.clip(np.nan_to_num(image), 0, 255).astype(np.uint8)
    if image.shape[2] == 1:
        return np.repeat(image, 3, axis=2)
    return np.array(image[..., :3], order="C")


def smaller(image: np.ndarray, longest: int = LONGEST) -> np.ndarray:
    """The image, uint8 [H, W, ...], shrunk to this longer side; smaller ones are unchanged."""
    height, width = image.shape[:2]
    factor = longest / max(height, width)
    if factor >= 1:
        return image
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def smaller_detections(
    image: np.ndarray, result: Mapping[str, np.ndarray], longest: int = LONGEST
) -> tuple[np.ndarray, Mapping[str, np.ndarray]]:
    """An image, and its detections from `MaskRCNN.detect`, shrunk to this longer side."""
    small = smaller(image, longest)
    if small is image:
        return image, result
    rois, masks = resize_detections(result["rois"], result["masks"], *small.shape[:2])
    return small, {**result, "rois": rois, "masks": masks}


def overlay_masks(
    image: np.ndarray, masks: np.ndarray, colours: Sequence[Colour], alpha: float = 0.5
) -> np.ndarray:
    """Tint each mask with its colour.

    masks: bool [H, W, N]. colours: N RGB triples. alpha: 0 leaves the image unchanged, 1 hides it.
    Where masks overlap, the later one is on top.
    """
    canvas = as_rgb(image)
    masks = _checked_masks(canvas, masks)
    _tint(canvas, masks, _mask_boxes(masks), colours, alpha)
    return canvas


def _tint(canvas, masks, boxes, colours, alpha):
    levels = np.arange(256)[:, np.newaxis]
    for index, box in boxes:
        tint = np.asarray(colours[index], dtype=np.float64)
        table = np.rint(levels * (1.0 - alpha) + tint * alpha).clip(0, 255).astype(np.uint8)
        region = canvas[box]
        inside = np.ascontiguousarray(masks[box][..., index]).view(np.uint8)
        tinted = cv2.LUT(np.ascontiguousarray(region), table.reshape(1, 256, 3))
        cv2.copyTo(tinted, inside, region)


def mask_outlines(mask: np.ndarray) -> list[np.ndarray]:
    """The outlines of a bool mask [H, W], outer borders and holes, as int32 [points, 2] in (x, y).

    The points are the outermost pixels that belong to the mask (for a hole: the pixels around it).
    """
    mask = np.asarray(mask).astype(bool, copy=False)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return []
    return _outlines(mask, np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def _outlines(mask, box):
    rows, columns = box
    outlines, _ = cv2.findContours(
        np.ascontiguousarray(mask[box]).view(np.uint8),
        cv2.RETR_CCOMP,
        cv2.CHAIN_APPROX_SIMPLE,
        offset=(int(columns.start), int(rows.start)),
    )
    return [outline.reshape(-1, 2) for outline in outlines]


def draw_contours(
    image: np.ndarray, masks: np.ndarray, colours: Sequence[Colour], thickness: int | None = None
) -> np.ndarray:
    """Draw the outline of each mask in its colour, antialiased.

    masks: bool [H, W, N]. colours: N RGB triples. thickness in pixels, by default from the image.
    """
    canvas = as_rgb(image)
    masks = _checked_masks(canvas, masks)
    _outline(canvas, masks, _mask_boxes(masks), colours, thickness)
    return canvas


def _outline(canvas, masks, boxes, colours, thickness=None):
    thickness = thickness or style_for(*canvas.shape[:2]).contour
    for index, box in boxes:
        outlines = _outlines(masks[..., index], box)
        cv2.polylines(canvas, outlines, True, _plain(colours[index]), thickness, cv2.LINE_AA)


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray,
    colours: Sequence[Colour],
    thickness: int | None = None,
) -> np.ndarray:
    """Draw boxes, [N, 4] pixel boxes [y1, x1, y2, x2], just inside their borders.

    Boxes of zero area or entirely outside the image are skipped; others are clipped to the image.
    """
    canvas = as_rgb(image)
    height, width = canvas.shape[:2]
    thickness = thickness or style_for(height, width).line
    inset = (thickness - 1) // 2
    for box, colour in zip(_checked_boxes(boxes), colours, strict=True):
        y1, x1, y2, x2 = (round(float(value)) for value in box)
        if y2 <= y1 or x2 <= x1 or y2 <= 0 or x2 <= 0 or y1 >= height or x1 >= width:
            continue
        corner = (max(x1 + inset, -thickness), max(y1 + inset, -thickness))
        opposite = (
            max(min(x2 - 1 - inset, width + thickness), corner[0]),
            max(min(y2 - 1 - inset, height + thickness), corner[1]),
        )
        cv2.rectangle(canvas, corner, opposite, _plain(colour), thickness)
    return canvas


def draw_labels(
    image: np.ndarray,
    boxes: np.ndarray,
    captions: Sequence[str],
    colours: Sequence[Colour],
    text_size: int | None = None,
) -> np.ndarray:
    """Write a caption on a filled background at each box, kept inside the image.

    A caption that would cover another one moves to another corner of its box if there is room.
    Captions may be any Unicode text; one wider than the image is shortened, an empty one skipped.
    """
    canvas = as_rgb(image)
    size = text_size or style_for(*canvas.shape[:2]).text
    labels = [
        Label((float(y1), float(x1), float(y2), float(x2)), str(caption), _plain(colour))
        for (y1, x1, y2, x2), caption, colour in zip(
            _checked_boxes(boxes), captions, colours, strict=True
        )
    ]
    return write_labels(canvas, labels, size)


def draw_detections(
    image: np.ndarray,
    result: Mapping[str, np.ndarray],
    class_names: Sequence[str] | Mapping[int, str],
    colours: Sequence[Colour] | Mapping[int, Colour] | None = None,
    *,
    captions: Sequence[str] | None = None,
    show_masks: bool = True,
    show_boxes: bool = True,
    show_labels: bool = True,
    alpha: float = 0.42,
) -> np.ndarray:
    """Draw detections on an image: tinted masks, outlines, boxes, names and scores.

    result: as from `MaskRCNN.detect`: rois int32 [N, 4], class_ids [N], scores [N] and masks
        bool [H, W, N]. scores and masks may be missing; without scores, captions are names alone.
    class_names, colours: by class id, a sequence or a mapping; a class id that `colours` lacks has
        the colour of `class_colour`.
    captions: N texts in place of "name score".
    Returns uint8 RGB of the image's own size. Small instances are drawn over large ones. Raises
    `UserError` if the arrays do not fit each other or the image.
    """
    canvas = as_rgb(image)
    rois = _checked_boxes(result["rois"])
    class_ids = np.asarray(result["class_ids"]).reshape(-1)
    if captions is None:
        captions = caption_texts(class_ids, result.get("scores"), class_names)
    if not len(rois) == len(class_ids) == len(captions):
        raise UserError(
            "cannot draw detections",
            expected="as many class ids and captions as boxes",
            found=f"{len(rois)} boxes, {len(class_ids)} class ids and {len(captions)} captions",
        )
    order = np.argsort(-_areas(rois), kind="stable")
    paints = [colour_of(class_id, colours) for class_id in class_ids]
    masks = result.get("masks")
    if show_masks and masks is not None:
        masks = _checked_masks(canvas, masks)
        if masks.shape[2] != len(rois):
            raise UserError(
                "cannot draw detections",
                expected="as many masks as boxes",
                found=f"{len(rois)} boxes and {masks.shape[2]} masks",
            )
        rank = np.argsort(order)
        found = sorted(_mask_boxes(masks), key=lambda item: rank[item[0]])
        _tint(canvas, masks, found, paints, alpha)
        _outline(canvas, masks, found, paints)
    rois, paints = rois[order], [paints[index] for index in order]
    if show_boxes:
        canvas = draw_boxes(canvas, rois, paints)
    if show_labels:
        canvas = draw_labels(canvas, rois, [captions[index] for index in order], paints)
    return canvas


def caption_texts(
    class_ids: np.ndarray,
    scores: np.ndarray | None,
    class_names: Sequence[str] | Mapping[int, str],
) -> list[str]:
    """`name 0.97` for each instance, or the name alone if scores is None."""
    names = [name_of(class_id, class_names) for class_id in class_ids]
    if scores is None:
        return names
    return [f"{name} {float(score):.2f}" for name, score in zip(names, scores, strict=True)]


def name_of(class_id: int, class_names: Sequence[str] | Mapping[int, str]) -> str:
    """The name of a class id, or `class 17` if it has none."""
    class_id = int(class_id)
    if isinstance(class_names, Mapping):
        return str(class_names.get(class_id, f"class {class_id}"))
    known = 0 <= class_id < len(class_names)
    return str(class_names[class_id]) if known else f"class {class_id}"


def colour_of(
    class_id: int, colours: Sequence[Colour] | Mapping[int, Colour] | None = None
) -> Colour:
    """The colour of a class id in `colours`, or that of `class_colour` if it is not there."""
    class_id = int(class_id)
    if isinstance(colours, Mapping):
        return _plain(colours.get(class_id, class_colour(class_id)))
    if colours is not None and 0 <= class_id < len(colours):
        return _plain(colours[class_id])
    return class_colour(class_id)


def _checked_masks(image: np.ndarray, masks: np.ndarray) -> np.ndarray:
    masks = np.asarray(masks)
    if masks.ndim == 2:
        masks = masks[..., np.newaxis]
    if masks.ndim != 3 or masks.shape[:2] != image.shape[:2]:
        raise UserError(
            "masks do not have the size of their image",
            expected=f"[{image.shape[0]}, {image.shape[1]}, count]",
            found=masks.shape,
        )
    return masks.astype(bool, copy=False)


def _checked_boxes(boxes: np.ndarray) -> np.ndarray:
    boxes = np.asarray(boxes)
    if boxes.size == 0:
        return np.zeros((0, 4), np.int32)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise UserError(
            "boxes have another shape", expected="[count, (y1, x1, y2, x2)]", found=boxes.shape
        )
    return boxes


def _mask_boxes(masks: np.ndarray) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """The index, and the slices of rows and columns, of each nonempty mask."""
    in_rows, in_columns = np.asarray(masks.any(axis=1)), np.asarray(masks.any(axis=0))
    for index in range(masks.shape[2]):
        rows = np.flatnonzero(in_rows[:, index])
        if len(rows):
            columns = np.flatnonzero(in_columns[:, index])
            yield index, np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _areas(boxes: np.ndarray) -> np.ndarray:
    boxes = boxes.astype(np.float64)
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _plain(colour: Sequence[int]) -> Colour:
    red, green, blue = (int(channel) for channel in colour[:3])
    return red, green, blue
