"""The images on which a model is best and worst, the truth beside the detections."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fashion.dataset import FashionDataset
from fashion.html.charts import number
from fashion.pictures.sheets import save_png, side_by_side
from mrcnn.drawing.painting import caption_texts, draw_detections
from mrcnn.evaluation.matches import ImageQuality, match_sure, overlaps_of, rows_by_image

SIDE = 640  # pixels of an image's longer side in the picture
Row = Mapping[str, Any]


def write_pictures(
    folder: Path,
    kind: str,
    dataset: FashionDataset,
    images: Sequence[ImageQuality],
    truth: Mapping[str, Any],
    results: Sequence[Row],
    score: float,
    iou: float,
) -> list[Path]:
    """Draw images as `<kind>_<rank>.png` into `folder`; return the paths in that order.

    Args:
        folder: to write to.
        kind: of the images, for the file names.
        dataset: prepared.
        images: those to draw.
        truth, results: as for `match_dataset`.
        score: detections scored lower are not shown.
        iou: from which instance and detection match.

    Raises:
        DatasetError: an image cannot be read.
        UserError: a picture cannot be written.
    """
    ids = {image.image_id for image in images}
    some = {
        "images": [entry for entry in truth["images"] if entry["id"] in ids],
        "annotations": [row for row in truth["annotations"] if row["image_id"] in ids],
    }
    rows_of = {image_id: (true, found) for image_id, true, found in rows_by_image(some, results)}
    paths = []
    for rank, image in enumerate(images, 1):
        name = Path(str(dataset.image_info[image.image_id]["id"])).name
        true, found = rows_of[image.image_id]
        picture = draw_image(dataset, image, name, true, found, score, iou)
        paths.append(save_png(folder / f"{kind}_{rank}.png", picture))
    return paths


def draw_image(
    dataset: FashionDataset,
    quality: ImageQuality,
    name: str,
    true_rows: Sequence[Row],
    found_rows: Sequence[Row],
    score: float,
    iou: float,
) -> np.ndarray:
    """Truth and detections of one image side by side, each with a line of figures: uint8 RGB.

    Captions mark missed instances and wrong detections.
    """
    overlaps = overlaps_of(true_rows, found_rows)
    pairs, alone = match_sure(overlaps, score, iou)
    same = [(r, c) for r, c in pairs if overlaps.true_ids[r] == overlaps.found_ids[c]]
    seen = {int(overlaps.true_rows[row]) for row, _ in same}
    missed = [index not in seen for index in range(len(true_rows))]
    for index, row in enumerate(true_rows):
        missed[index] &= not row.get("iscrowd")
    right = {column for _, column in same}
    wrong = {column for _, column in pairs if column not in right} | {int(c) for c in alone}
    shown = [index for index, row in enumerate(found_rows) if row["score"] >= score]
    image = dataset.load_image(quality.image_id)
    sides = [
        _draw(dataset, image, true_rows, missed, "missed"),
        _draw(dataset, image, [found_rows[i] for i in shown], [i in wrong for i in shown], "wrong"),
    ]
    return side_by_side(sides, [f"truth: {name}", describe(quality)])


def describe(quality: ImageQuality) -> str:
    """The figures of an image in a line."""
    return (
        f"quality {number(quality.quality)}: {quality.right} right, {quality.wrong} wrong, "
        f"{quality.missed} missed"
    )


def _draw(
    dataset: FashionDataset,
    image: np.ndarray,
    rows: Sequence[Row],
    marked: Sequence[bool],
    mark: str,
) -> np.ndarray:
    small, masks = _shrink(image, rows)
    ids = np.array([row["category_id"] for row in rows], dtype=np.int32)
    factor = small.shape[1] / image.shape[1]
    rois = np.array([_box(row) for row in rows], dtype=float).reshape(-1, 4)
    scored = all("score" in row for row in rows)
    scores = np.array([row["score"] for row in rows]) if scored else None
    captions = [
        f"{text} {mark}" if is_marked else text
        for text, is_marked in zip(
            caption_texts(ids, scores, dataset.class_names), marked, strict=True
        )
    ]
    result = {"rois": np.rint(rois * factor).astype(np.int32), "class_ids": ids, "masks": masks}
    colours = {row.id: row.colour for row in dataset.table or ()}
    return draw_detections(small, result, dataset.class_names, colours, captions=captions)


def _box(row: Row) -> list[float]:
    """[y1, x1, y2, x2]; that of the mask if the row has none, as in results files of masks."""
    from pycocotools import mask as coco_mask

    x, y, width, height = row.get("bbox") or coco_mask.toBbox(row["segmentation"])
    return [y, x, y + height, x + width]


def _shrink(image: np.ndarray, rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
    """The image and its masks at the size of the picture, so that captions keep theirs."""
    from pycocotools import mask as coco_mask

    height, width = image.shape[:2]
    factor = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    masks = np.zeros((size[1], size[0], len(rows)), dtype=bool)
    for index, row in enumerate(rows):
        mask = coco_mask.decode(row["segmentation"])
        masks[..., index] = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
    if factor == 1.0:
        return image, masks
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), masks
