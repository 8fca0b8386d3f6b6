"""The anchors of each pyramid level, and how well they fit the instances of a data set.

An instance that no anchor overlaps with an IoU of 0.5 contributes to RPN training only through its
single best anchor, and is found late or never: badly chosen RPN_ANCHOR_SCALES show here before any
training. Boxes are [y1, x1, y2, x2] in pixels of the molded image. No network is needed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mrcnn.config import Config
from mrcnn.data.anchor_matching import AnchorIndex
from mrcnn.data.dataset import Dataset
from mrcnn.data.ground_truth import load_image_gt
from mrcnn.errors import counted
from mrcnn.geometry.anchors import compute_backbone_shapes, generate_pyramid_anchors
from mrcnn.geometry.boxes import compute_overlaps

# Minimum IoU of a usable anchor, and of one that is positive even if another overlaps more.
USABLE, POSITIVE = 0.5, 0.7
# Shares of instances with a usable anchor that are called good and moderate.
GOOD, MODERATE = 0.9, 0.75
# Other scales are proposed only if they raise the mean best IoU by at least this much.
WORTH_CHANGING = 0.03
# Number of sampled instances on which other scales are tried.
_BOXES_TO_TRY = 400


@dataclass(frozen=True)
class AnchorLevel:
    """The anchors of one pyramid level.

    Attributes:
        name: "P2" and so on.
        stride: pixels per cell.
        scale: side of the square anchor in pixels.
        cells: (rows, columns) that have anchors.
        boxes: float64 [rows * columns * ratios, 4].
    """

    name: str
    stride: int
    scale: float
    cells: tuple[int, int]
    boxes: np.ndarray

    def around(self, y: float, x: float) -> np.ndarray:
        """The anchors of the cell whose centre is nearest to a point: [ratios, 4]."""
        cells = self.boxes.reshape(self.cells[0] * self.cells[1], -1, 4)
        centres = (cells[:, 0, :2] + cells[:, 0, 2:]) / 2
        return cells[np.argmin(np.square(centres - [y, x]).sum(axis=1))]


def anchor_levels(config: Config, image_shape: Sequence[int]) -> list[AnchorLevel]:
    """The anchors of each level, finest first, for a molded image of (height, width, ...)."""
    levels = []
    shapes = compute_backbone_shapes(config, image_shape)
    step = config.RPN_ANCHOR_STRIDE
    for number, (scale, stride, shape) in enumerate(
        zip(config.RPN_ANCHOR_SCALES, config.BACKBONE_STRIDES, shapes, strict=True), start=2
    ):
        boxes = generate_pyramid_anchors([scale], config.RPN_ANCHOR_RATIOS, [shape], [stride], step)
        cells = int(-(-shape[0] // step)), int(-(-shape[1] // step))
        levels.append(AnchorLevel(f"P{number}", int(stride), float(scale), cells, boxes))
    return levels


@dataclass(frozen=True)
class AnchorFit:
    """How well anchors fit instances.

    Attributes:
        class_ids: int [N].
        boxes: [N, 4], the instances.
        best_iou: float64 [N], each instance's IoU with its best anchor.
        scales: RPN_ANCHOR_SCALES.
        ratios: RPN_ANCHOR_RATIOS.
        better_scales: scales that fit the instances clearly better, if any.
        better_mean: the mean best IoU with these.
    """

    class_ids: np.ndarray
    boxes: np.ndarray
    best_iou: np.ndarray
    scales: tuple[float, ...]
    ratios: tuple[float, ...]
    better_scales: tuple[int, ...] | None = None
    better_mean: float = 0.0

    @property
    def sides(self) -> np.ndarray:
        """The square root of each instance's box area, in pixels, float64 [N]."""
        return np.sqrt(np.prod(self.boxes[:, 2:] - self.boxes[:, :2], axis=1))

    def figures(self, of: np.ndarray | slice = np.s_[:]) -> dict:
        """`instances`, `mean` best IoU, shares `at_50` and `at_70`; None without instances."""
        ious = self.best_iou[of]
        if not len(ious):
            return {"instances": 0, "mean": None, "at_50": None, "at_70": None}
        shares = {
            f"at_{round(100 * least)}": float((ious >= least).mean())
            for least in (USABLE, POSITIVE)
        }
        return {"instances": len(ious), "mean": float(ious.mean()), **_plain(shares)}

    def by_class(self, class_names: Sequence[str]) -> dict[str, dict]:
        """`figures` of every class except background, by name."""
        numbers = range(1, len(class_names))
        return {class_names[i]: self.figures(self.class_ids == i) for i in numbers}

    def sentence(self) -> str:
        """How well the anchors fit, why not better, and what to change."""
        if not len(self.best_iou):
            return "There is no instance to compare the anchors with."
        all_of_them = self.figures()
        share = all_of_them["at_50"]
        word = "well" if share >= GOOD else "moderately" if share >= MODERATE else "badly"
        text = (
            f"The anchors fit {word}: {share:.0%} of {counted(len(self.best_iou), 'instance')} "
            f"have an anchor of IoU {USABLE} or more, {all_of_them['at_70']:.0%} of {POSITIVE} or "
            f"more; the best anchor's IoU is {all_of_them['mean']:.2f} on average."
        )
        reason = "" if share >= GOOD else self._reason()
        advice = ""
        if self.better_scales:
            advice = (
                f" RPN_ANCHOR_SCALES = {self.better_scales} would give {self.better_mean:.2f} "
                f"instead of {all_of_them['mean']:.2f} on average; set the scales before "
                "training."
            )
        return text + reason + advice

    def _reason(self) -> str:
        bad = self.best_iou < USABLE
        heights, widths = (self.boxes[bad, 2:] - self.boxes[bad, :2]).T.astype(np.float64)
        sides, shapes = self.sides[bad], widths / heights
        reasons = {
            f"are smaller than the smallest anchor ({min(self.scales):g} pixels)": sides
            < min(self.scales),
            f"are larger than the largest anchor ({max(self.scales):g} pixels)": sides
            > max(self.scales),
            "are narrower or wider than RPN_ANCHOR_RATIOS allow": (shapes < min(self.ratios) / 1.5)
            | (shapes > max(self.ratios) * 1.5),
        }
        words, hits = max(reasons.items(), key=lambda item: item[1].sum())
        if not hits.any():
            return f" The {bad.sum()} without one are between the sizes and shapes of the anchors."
        return f" Of the {bad.sum()} without one, {hits.sum()} {words}."


def molded_instances(
    dataset: Dataset, config: Config, image_ids: Iterable[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The instances of images as the network sees them.

    Returns class ids, int [N], boxes, int [N, 4] in molded pixels, and the molded (height, width)
    of each, int [N, 2]. Crowds are left out.
    """
    ids, boxes, shapes = [], [], []
    for image_id in image_ids:
        image, _, class_ids, found, _ = load_image_gt(dataset, config, image_id)
        wanted = class_ids > 0
        ids += class_ids[wanted].tolist()
        boxes += found[wanted].tolist()
        shapes += [image.shape[:2]] * int(wanted.sum())
    return (
        np.array(ids, int),
        np.array(boxes, int).reshape(-1, 4),
        np.array(shapes, int).reshape(-1, 2),
    )


def anchor_fit(
    config: Config, class_ids: np.ndarray, boxes: np.ndarray, shapes: np.ndarray
) -> AnchorFit:
    """How well a Config's anchors fit the `molded_instances`, and scales that would fit better."""
    scales = tuple(float(scale) for scale in config.RPN_ANCHOR_SCALES)
    ratios = tuple(float(ratio) for ratio in config.RPN_ANCHOR_RATIOS)
    best = best_anchor_iou(config, scales, boxes, shapes)
    fit = AnchorFit(class_ids, boxes, best, scales, ratios)
    proposed = _propose_scales(config, boxes, shapes)
    if proposed and proposed != scales:
        mean = float(best_anchor_iou(config, proposed, boxes, shapes).mean())
        if mean >= best.mean() + WORTH_CHANGING:
            return AnchorFit(class_ids, boxes, best, scales, ratios, proposed, mean)
    return fit


def best_anchor_iou(
    config: Config, scales: Sequence[float], boxes: np.ndarray, shapes: np.ndarray
) -> np.ndarray:
    """IoU of each box with the best anchor of its image, float64 [N], for the given scales."""
    best = np.zeros(len(boxes))
    for shape in {tuple(shape) for shape in np.asarray(shapes).tolist()}:
        cells = np.asarray(compute_backbone_shapes(config, shape))
        anchors = generate_pyramid_anchors(
            scales,
            config.RPN_ANCHOR_RATIOS,
            cells,
            config.BACKBONE_STRIDES,
            config.RPN_ANCHOR_STRIDE,
        )
        index = AnchorIndex.build(anchors, -(-cells // config.RPN_ANCHOR_STRIDE))
        for number in np.flatnonzero((np.asarray(shapes) == shape).all(axis=1)):
            best[number] = _best_iou(boxes[number].astype(np.float64), anchors, index)
    return best


def _best_iou(box: np.ndarray, anchors: np.ndarray, index: AnchorIndex | None) -> float:
    if index is None:
        return float(compute_overlaps(box[None], anchors).max(initial=0.0))
    best = 0.0
    for bound, family in zip(*index.by_best_iou(box), strict=True):
        if bound <= best:
            break
        best = max(best, float(family.overlaps(box)[0].max(initial=0.0)))
    return best


def _plain(shares: dict) -> dict:
    return {name: float(share) for name, share in shares.items()}


def _propose_scales(
    config: Config, boxes: np.ndarray, shapes: np.ndarray
) -> tuple[int, ...] | None:
    """The series of doubling integer scales that best fits the boxes, or a sample of them."""
    if not len(boxes):
        return None
    part = np.s_[:: -(-len(boxes) // _BOXES_TO_TRY)]
    doublings = 2 ** np.arange(len(config.RPN_ANCHOR_SCALES))
    series = [
        tuple((first * doublings).tolist())
        for first in np.unique(np.round(2 ** np.arange(1, 7.1, 1 / 3))).astype(int)
    ]
    means = [best_anchor_iou(config, one, boxes[part], shapes[part]).mean() for one in series]
    return series[int(np.argmax(means))]
