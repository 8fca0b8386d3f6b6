"""Matterport's functions for showing images, masks, matches and weights with matplotlib.

For notebooks and interactive windows; without a display the figures are still drawn and can be
saved with `matplotlib.pyplot.savefig`. To paint results straight into an image, as the scripts of
this project do, see `mrcnn.drawing.painting`.

Colours here are RGB triples of 0..1, as in matplotlib. Boxes are [y1, x1, y2, x2] in pixels,
exclusive at y2 and x2; masks are [H, W, N]; images are RGB, 0..255.
"""

import colorsys
import importlib
import random

import numpy as np

from mrcnn.drawing import painting
from mrcnn.drawing.figures import (
    add_box,
    add_caption,
    add_outline,
    axes_for,
    displayable,
    frame,
    show,
)
from mrcnn.drawing.weight_table import display_table, display_weight_stats
from mrcnn.errors import UserError
from mrcnn.evaluation.image_ap import compute_matches
from mrcnn.geometry.masks import unmold_mask

# Other names that scripts get by `from mrcnn.visualize import *`, imported on first use.
_LATER = {"plt": "matplotlib.pyplot", "utils": "mrcnn.utils", "patches": "matplotlib.patches"}
_LATER |= {"lines": "matplotlib.lines", "itertools": "itertools", "os": "os", "sys": "sys"}
_LATER |= {"find_contours": "skimage.measure", "Polygon": "matplotlib.patches"}

__all__ = [
    *_LATER,
    "apply_mask",
    "colorsys",
    "display_differences",
    "display_images",
    "display_instances",
    "display_table",
    "display_top_masks",
    "display_weight_stats",
    "draw_box",
    "draw_boxes",
    "draw_rois",
    "np",
    "plot_overlaps",
    "plot_precision_recall",
    "random",
    "random_colors",
]


def __getattr__(name: str):
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(_LATER[name])
    return getattr(module, name) if name in ("find_contours", "Polygon") else module


_GREY = (0.5, 0.5, 0.5)


def display_images(images, titles=None, cols=4, cmap=None, norm=None, interpolation=None) -> None:
    """Show images in a grid of `cols` columns.

    images: any number of [H, W] or [H, W, channels]; titles: as many texts, or None; the rest is
    passed to matplotlib's imshow.
    """
    from matplotlib import pyplot as plt

    images = list(images)
    titles = [""] * len(images) if titles is None else list(titles)
    rows = max(1, -(-len(images) // cols))
    plt.figure(figsize=(14, 14 * rows / cols))
    for place, (image, title) in enumerate(zip(images, titles, strict=False), 1):
        ax = plt.subplot(rows, cols, place)
        ax.set_title(title, fontsize=9)
        ax.axis("off")
        ax.imshow(displayable(image), cmap=cmap, norm=norm, interpolation=interpolation)
    show()


def random_colors(N: int, bright: bool = True) -> list[tuple[float, float, float]]:
    """N colours with evenly spaced hues, in random order."""
    brightness = 1.0 if bright else 0.7
    colors = [colorsys.hsv_to_rgb(i / N, 1, brightness) for i in range(N)]
    random.shuffle(colors)
    return colors


def apply_mask(image: np.ndarray, mask: np.ndarray, color, alpha: float = 0.5) -> np.ndarray:
    """Tint the pixels of `image` where `mask` is 1, in place, and return the image.

    image: [H, W, 3]; mask: [H, W]; color: RGB, 0..1. Values are truncated to the image's dtype.
    """
    inside = np.asarray(mask) == 1
    tint = np.asarray(color, dtype=np.float64)[:3] * 255
    rgb = image[..., :3]
    rgb[inside] = (rgb[inside] * (1 - alpha) + alpha * tint).astype(image.dtype)
    return image


def display_instances(
    image,
    boxes,
    masks,
    class_ids,
    class_names,
    scores=None,
    title="",
    figsize=(16, 16),
    ax=None,
    show_mask=True,
    show_bbox=True,
    colors=None,
    captions=None,
) -> None:
    """Show an image with its instances: masks, outlines, boxes, names and scores.

    boxes: [N, 4]; masks: [H, W, N]; class_ids: [N]; class_names: by class id; scores: [N] or None.
    title, figsize: of the figure; ax: matplotlib axes to draw into (then nothing is shown).
    show_mask, show_bbox: whether to draw them. colors: N colours, random ones by default.
    captions: N texts in place of name and score.

    Rows of `boxes` that are all zero are skipped. Raises `UserError` if the numbers of boxes, masks
    and class ids differ.
    """
    count = len(boxes)
    if not count:
        print("\n*** No instances to display *** \n")
    elif not count == np.shape(masks)[-1] == len(class_ids):
        raise UserError(
            "cannot display instances",
            expected="as many masks and class ids as boxes",
            found=f"{count} boxes, {np.shape(masks)[-1]} masks and {len(class_ids)} class ids",
        )
    ax, auto_show = axes_for(ax, figsize)
    frame(ax, image, title)
    colors = random_colors(count) if colors is None else colors
    painted = painting.as_rgb(image)
    for i, box in enumerate(boxes):
        if not np.any(box):
            continue
        if show_bbox:
            add_box(ax, box, colors[i], "dashed", 0.7)
        if captions is None:
            score = scores[i] if scores is not None else None
            caption = painting.name_of(class_ids[i], class_names)
            caption += f" {score:.3f}" if score is not None else ""
        else:
            caption = captions[i]
        add_caption(ax, caption, box[1], box[0] + 8)
        if show_mask:
            apply_mask(painted, masks[:, :, i], colors[i])
        if np.size(masks):
            add_outline(ax, masks[:, :, i], colors[i])
    ax.imshow(painted)
    if auto_show:
        show()


def display_differences(
    image,
    gt_box,
    gt_class_id,
    gt_mask,
    pred_box,
    pred_class_id,
    pred_score,
    pred_mask,
    class_names,
    title="",
    ax=None,
    show_mask=True,
    show_box=True,
    iou_threshold=0.5,
    score_threshold=0.5,
) -> None:
    """Show ground truth in green and detections in red, the latter captioned `score / IoU`.

    The arguments are those of `mrcnn.evaluation.image_ap.compute_matches`, which finds the matches.
    The IoU is that with the matched ground truth, or the highest one if there is no match.
    """
    gt_count = int(np.any(gt_box, axis=1).sum()) if len(gt_box) else 0
    pred_count = int(np.any(pred_box, axis=1).sum()) if len(pred_box) else 0
    gt_box, gt_class_id = np.asarray(gt_box)[:gt_count], np.asarray(gt_class_id)[:gt_count]
    gt_mask = gt_mask[..., :gt_count]
    order = np.argsort(-np.asarray(pred_score)[:pred_count], kind="stable")
    pred_box, pred_class_id = np.asarray(pred_box)[order], np.asarray(pred_class_id)[order]
    pred_score, pred_mask = np.asarray(pred_score)[order], pred_mask[..., order]
    captions = [""] * gt_count
    if gt_count and pred_count:
        # Descending ranks instead of scores keep equal scores in the order of the captions.
        ranks = np.arange(pred_count, 0, -1)
        _, matches, overlaps = compute_matches(
            gt_box, gt_class_id, gt_mask, pred_box, pred_class_id, ranks, pred_mask,
            iou_threshold=iou_threshold, score_threshold=score_threshold,
        )  # fmt: skip
        ious = [
            row[int(match)] if match > -1 else row.max()
            for row, match in zip(overlaps, matches, strict=True)
        ]
    else:
        ious = [0.0] * pred_count
    captions += [f"{s:.2f} / {iou:.2f}" for s, iou in zip(pred_score, ious, strict=True)]
    display_instances(
        image,
        np.concatenate([gt_box.reshape(-1, 4), pred_box.reshape(-1, 4)]),
        np.concatenate([gt_mask, pred_mask], axis=-1),
        np.concatenate([gt_class_id, pred_class_id]),
        class_names,
        title=title or "Ground Truth and Detections\n GT=green, pred=red, captions: score/IoU",
        ax=ax,
        show_mask=show_mask,
        show_bbox=show_box,
        colors=[(0, 1, 0, 0.8)] * gt_count + [(1, 0, 0, 1)] * pred_count,
        captions=captions,
    )


def draw_rois(image, rois, refined_rois, mask, class_ids, class_names, limit=10) -> None:
    """Show regions of interest (dashed), their refined boxes (solid), and their masks.

    rois, refined_rois: [N, 4]; mask: [N, height, width], each within its refined region;
    class_ids: [N], 0 for negative regions, which are grey. At most `limit` regions are shown,
    chosen at random if there are more; 0 shows all. Prints how many are positive.
    """
    ax, _ = axes_for(None, (12, 12))
    frame(ax, image, "")
    painted = painting.as_rgb(image)
    count = len(rois)
    shown = range(count)
    if limit and count > limit:
        shown = np.random.choice(count, limit, replace=False)
        ax.set_title(f"Showing {limit} random ROIs out of {count}")
    for index, color in zip(shown, random_colors(len(shown)), strict=True):
        positive = class_ids[index] > 0
        color = color if positive else _GREY
        y1, x1 = rois[index][:2]
        add_box(ax, rois[index][:4], color, "dashed", 0.9 if positive else 0.5)
        if not positive:
            continue
        refined = np.asarray(refined_rois[index][:4]).astype(np.int32)
        add_box(ax, refined, color)
        ry1, rx1 = refined[:2]
        ax.plot([x1, rx1], [y1, ry1], color=color)
        add_caption(ax, painting.name_of(class_ids[index], class_names), rx1, ry1 + 8)
        full = _mask_in_image(mask[index], refined, painted.shape)
        apply_mask(painted, full, color)
    ax.imshow(painted)
    positives = int(np.sum(np.asarray(class_ids) > 0))
    print("Positive ROIs: ", positives)
    print("Negative ROIs: ", int(np.sum(np.asarray(class_ids) == 0)))
    print(f"Positive Ratio: {positives / max(count, 1):.2f}")
    show()


def draw_box(image: np.ndarray, box, color) -> np.ndarray:
    """Draw a box two pixels wide into an image [H, W, 3], in place; color: three of 0..255."""
    y1, x1, y2, x2 = (max(int(value), 0) for value in box)
    image[y1 : y1 + 2, x1:x2] = color
    image[y2 : y2 + 2, x1:x2] = color
    image[y1:y2, x1 : x1 + 2] = color
    image[y1:y2, x2 : x2 + 2] = color
    return image


def display_top_masks(image, mask, class_ids, class_names, limit=4) -> None:
    """Show an image and the masks of the `limit` classes with the largest area."""
    class_ids = np.asarray(class_ids)
    areas = np.sum(mask, axis=(0, 1))
    present = [class_id for class_id in np.unique(class_ids) if class_id > 0]
    present.sort(key=lambda class_id: -areas[class_ids == class_id].sum())
    images = [image]
    titles = [f"H x W={np.shape(image)[0]}x{np.shape(image)[1]}"]
    for class_id in [*present[:limit], *[None] * (limit - len(present))]:
        chosen = class_ids == class_id if class_id is not None else np.zeros(len(class_ids), bool)
        ranks = np.arange(1, 1 + int(chosen.sum()))
        images.append(np.sum(mask[:, :, chosen] * ranks, axis=-1))
        titles.append("-" if class_id is None else painting.name_of(class_id, class_names))
    display_images(images, titles=titles, cols=limit + 1, cmap="Blues_r")


def plot_precision_recall(AP, precisions, recalls) -> None:
    """Draw the precision-recall curve; AP: average precision at IoU 0.5."""
    ax, _ = axes_for(None, None)
    ax.set_title(f"Precision-Recall Curve. AP@50 = {AP:.3f}")
    ax.set_ylim(0, 1.1)
    ax.set_xlim(0, 1.1)
    ax.set_xlabel("Recall")
    ax.set_ylabel("Precision")
    ax.plot(recalls, precisions)
    show()


def plot_overlaps(
    gt_class_ids, pred_class_ids, pred_scores, overlaps, class_names, threshold=0.5
) -> None:
    """Draw the table of IoUs between detections (rows) and ground truth (columns).

    overlaps: [detections, ground truths]; cells above `threshold` say whether the classes agree.
    """
    gt_class_ids = np.asarray(gt_class_ids)
    gt_class_ids = gt_class_ids[gt_class_ids != 0]
    pred_class_ids = np.asarray(pred_class_ids)
    pred_class_ids = pred_class_ids[pred_class_ids != 0]
    ax, _ = axes_for(None, (12, 10))
    overlaps = np.asarray(overlaps).reshape(len(pred_class_ids), len(gt_class_ids))
    if overlaps.size:
        ax.imshow(overlaps, interpolation="nearest", cmap="Blues", vmin=0, vmax=1)
    names = [painting.name_of(i, class_names) for i in pred_class_ids]
    rows = [f"{name} ({pred_scores[i]:.2f})" for i, name in enumerate(names)]
    ax.set_yticks(np.arange(len(rows)), rows)
    columns = [painting.name_of(i, class_names) for i in gt_class_ids]
    ax.set_xticks(np.arange(len(columns)), columns, rotation=90)
    for (row, column), overlap in np.ndenumerate(overlaps):
        verdict = ""
        if overlap > threshold:
            agree = gt_class_ids[column] == pred_class_ids[row]
            verdict = "match" if agree else "wrong"
        color = "white" if overlap > 0.5 else "black"
        text = f"{overlap:.3f}\n{verdict}"
        ax.text(column, row, text, ha="center", va="center", fontsize=9, color=color)
    ax.set_xlabel("Ground Truth")
    ax.set_ylabel("Predictions")
    ax.figure.tight_layout()
    show()


def draw_boxes(
    image,
    boxes=None,
    refined_boxes=None,
    masks=None,
    captions=None,
    visibilities=None,
    title="",
    ax=None,
) -> None:
    """Show boxes (dashed), refined boxes (solid), masks and captions.

    boxes, refined_boxes: [N, 4], either may be None; masks: [H, W, N]; captions: N texts.
    visibilities: N values: 0 (grey, faint), 1 (coloured, dotted) or 2 (coloured, solid); default 1.
    """
    count = max(len(given) for given in (boxes, refined_boxes, ()) if given is not None)
    ax, auto_show = axes_for(ax, (12, 12))
    frame(ax, image, title)
    painted = painting.as_rgb(image)
    for i, color in enumerate(random_colors(count)):
        color, style, alpha = _visibility(visibilities[i] if visibilities is not None else 1, color)
        corner = None
        if boxes is not None and np.any(boxes[i]):
            corner = boxes[i]
            add_box(ax, corner, color, style, alpha)
        if refined_boxes is not None and np.any(refined_boxes[i]):
            ry1, rx1, ry2, rx2 = np.asarray(refined_boxes[i]).astype(np.int32)
            add_box(ax, (ry1, rx1, ry2, rx2), color)
            if corner is not None:
                ax.plot([corner[1], rx1], [corner[0], ry1], color=color)
            corner = (ry1, rx1, ry2, rx2)
        if corner is None:
            continue
        if captions is not None:
            add_caption(ax, captions[i], corner[1], corner[0], paper=True)
        if masks is not None:
            apply_mask(painted, masks[:, :, i], color)
            add_outline(ax, masks[:, :, i], color)
    ax.imshow(painted)
    if auto_show:
        show()


def _visibility(
    level: int, color: tuple[float, float, float]
) -> tuple[tuple[float, float, float], str, float]:
    """Colour, line style and opacity for a visibility of 0, 1 or 2."""
    if level == 0:
        return _GREY, "dotted", 0.5
    return (color, "dotted", 1.0) if level == 1 else (color, "solid", 1.0)


def _mask_in_image(mask, box, image_shape):
    """The part of a region's mask inside the image, bool [H, W]."""
    y1, x1, y2, x2 = box
    height, width = image_shape[:2]
    full = np.zeros((height, width), bool)
    if y2 <= y1 or x2 <= x1:
        return full
    in_box = unmold_mask(mask, [0, 0, y2 - y1, x2 - x1], (y2 - y1, x2 - x1))
    top, left, bottom, right = max(y1, 0), max(x1, 0), min(y2, height), min(x2, width)
    if bottom > top and right > left:
        part = in_box[top - y1 : bottom - y1, left - x1 : right - x1]
        full[top:bottom, left:right] = part
    return full
