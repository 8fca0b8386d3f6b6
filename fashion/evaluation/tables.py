"""The figures of an evaluation as text for a terminal. A dash means nothing to measure by."""

from collections.abc import Mapping
from typing import Any

from fashion.terminal import text_table
from mrcnn.errors import counted
from mrcnn.evaluation.coco_ap import KINDS, SIZES

_TITLES = {"bbox": "boxes", "segm": "masks"}
_ONE = {"bbox": "box", "segm": "mask"}
_NO_MASKS = "The results have no segmentation: the figures of masks are left out."


def figures_text(figures: Mapping[str, Any]) -> str:
    """All tables but the confusion matrix.

    figures: of `mrcnn.evaluation.coco_ap.average_precision`, and under `image_ap` what
    `ImageAveragePrecision.to_dict` gives, if it was measured.
    """
    parts = [_whole(figures), _classes(figures), _sizes(figures)]
    if "segm" not in figures:
        parts.append(_NO_MASKS)
    if "image_ap" in figures:
        parts.append(_image_ap(figures["image_ap"]))
    return "\n\n".join(parts)


def _kinds(figures: Mapping[str, Any]) -> list[str]:
    return [kind for kind in KINDS if kind in figures]


def _cell(value: float) -> str:
    return "-" if value < 0 else f"{value:.3f}"


def _whole(figures: Mapping[str, Any]) -> str:
    kinds = _kinds(figures)
    names = [name for name in figures[kinds[0]] if name != "per_class"]
    rows = [[name, *(_cell(figures[kind][name]) for kind in kinds)] for name in names]
    return text_table(["COCO", *(_TITLES[kind] for kind in kinds)], rows)


def _classes(figures: Mapping[str, Any]) -> str:
    kinds, columns = _kinds(figures), ("AP", "AP50", "AP75", "AR_100", "recall_50")
    short = ("AP", "AP50", "AP75", "AR", "R50")
    head = ["class", "truth", "found"]
    head += [
        f"{_ONE[kind] + ' ' if i == 0 else ''}{name}"
        for kind in kinds
        for i, name in enumerate(short)
    ]
    rows = [
        [
            name,
            str(own["instances"]),
            str(own["detections"]),
            *(_cell(figures[kind]["per_class"][name][c]) for kind in kinds for c in columns),
        ]
        for name, own in figures[kinds[0]]["per_class"].items()
    ]
    return text_table(head, rows)


def _sizes(figures: Mapping[str, Any]) -> str:
    kinds = _kinds(figures)
    head = ["class by size", *(f"truth {size[0].upper()}" for size in SIZES)]
    head += [f"{_ONE[kind]} AP {size[0].upper()}" for kind in kinds for size in SIZES]
    rows = [
        [
            name,
            *(str(own[f"instances_{size}"]) for size in SIZES),
            *(
                _cell(figures[kind]["per_class"][name][f"AP_{size}"])
                for kind in kinds
                for size in SIZES
            ),
        ]
        for name, own in figures[kinds[0]]["per_class"].items()
    ]
    return text_table(head, rows)


def _image_ap(measured: Mapping[str, Any]) -> str:
    text = (
        f"Per-image AP at IoU {measured['iou']:g} (Matterport's compute_ap, all classes together; "
        f"not COCO's AP50): {_cell(measured['mean_image_ap'])}, the mean of "
        f"{counted(measured['images'], 'image')}"
    )
    without = measured["images_without_truth"]
    if without:
        wrong = measured["images_without_truth_but_detections"]
        text += f"; {without} without instance left out, {wrong} of them with detections"
    return text + "."


def confusion_text(confusion: Mapping[str, Any]) -> str:
    """The confusion matrix: a line for each true class, its columns numbered like the lines."""
    labels, rows = confusion["labels"], confusion["matrix"]
    lines = [
        f"truth (lines) by what was found (columns), score {confusion['score']:g} or more",
        f"{'':20}" + "".join(f"{number:6}" for number in range(len(labels))),
    ]
    for number, (label, row) in enumerate(zip(labels, rows, strict=True)):
        lines.append(f"{number:3} {label:16}" + "".join(f"{count or '-':>6}" for count in row))
    return "\n".join(lines)
