"""One image's training targets: anchors for the region proposal network, RoIs for the heads.

Training samples both in every step; a seed makes the sample shown here repeatable. Boxes are
float [N, (y1, x1, y2, x2)] in pixels of the molded image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mrcnn.config import Config
from mrcnn.data.anchor_matching import POSITIVE_IOU, build_rpn_targets
from mrcnn.errors import DatasetError
from mrcnn.geometry.boxes import apply_box_deltas, compute_overlaps, norm_boxes
from mrcnn.geometry.masks import minimize_mask
from mrcnn.inspection.stages import Scene, Truth, to_pixels


@dataclass(frozen=True)
class RpnTargets:
    """The anchors that the region proposal network is trained on.

    Attributes:
        positive: [P, 4], anchors trained as foreground.
        refined: [P, 4], the same moved by their deltas: the instances' boxes.
        negative: [M, 4], anchors trained as background.
        neutral: [K, 4], anchors that are ignored because of their IoU.
        unused: how many positives and negatives the sampling leaves out.
        forced: how many positives have an IoU below .7 with their instance, and are positive only
            because no anchor is better.
    """

    positive: np.ndarray
    refined: np.ndarray
    negative: np.ndarray
    neutral: np.ndarray
    unused: int
    forced: int

    def figures(self) -> dict[str, int]:
        """Counts by name."""
        return {
            "positive": len(self.positive),
            "of these only the best available (IoU below 0.7)": self.forced,
            "negative": len(self.negative),
            "neutral (IoU between 0.3 and 0.7)": len(self.neutral),
            "left out by sampling": self.unused,
        }


def rpn_targets(scene: Scene, config: Config, seed: int = 0) -> RpnTargets:
    """The anchors of an image as `mrcnn.data.anchor_matching.build_rpn_targets` labels them.

    Raises DatasetError if the scene has no ground truth.
    """
    from mrcnn.network.build import pyramid_anchors

    truth, shape = _truth(scene), scene.image.shape
    anchors = pyramid_anchors(config, shape)
    match, deltas = build_rpn_targets(
        shape, anchors, truth.class_ids, truth.boxes, config, np.random.RandomState(seed)
    )
    positive = anchors[match == 1]
    deltas = deltas[: len(positive)] * np.asarray(config.RPN_BBOX_STD_DEV)
    everyone = _without_draw(truth, shape, anchors, config)
    overlaps = compute_overlaps(positive, scene.instances.astype(float))
    forced = int((overlaps.max(axis=1, initial=0) < POSITIVE_IOU).sum())
    return RpnTargets(
        positive=positive,
        refined=apply_box_deltas(positive, deltas),
        negative=anchors[match == -1],
        neutral=anchors[everyone == 0],
        unused=int(((everyone != 0) & (match == 0)).sum()),
        forced=forced,
    )


class _EveryAnchor(NamedTuple):
    """Settings with which `build_rpn_targets` drops no surplus."""

    RPN_TRAIN_ANCHORS_PER_IMAGE: int
    RPN_BBOX_STD_DEV: np.ndarray


def _without_draw(
    truth: Truth, shape: Sequence[int], anchors: np.ndarray, config: Config
) -> np.ndarray:
    """Labels [A] of all anchors before the surplus is dropped."""
    settings = _EveryAnchor(2 * len(anchors), config.RPN_BBOX_STD_DEV)
    return build_rpn_targets(shape, anchors, truth.class_ids, truth.boxes, settings)[0]


@dataclass(frozen=True)
class HeadTargets:
    """The RoIs that the heads are trained on.

    Attributes:
        rois: [T, 4], positives first.
        class_ids: int [T], 0 for negatives.
        refined: [P, 4], the positives moved by their deltas: the instances' boxes.
        masks: float [P, 28, 28] (MASK_SHAPE), the mask head's targets, 0 or 1.
        proposals: how many RoIs there were to choose from.
        candidates: how many of them overlap an instance with an IoU of at least 0.5.
        most_positives: the maximum number of positives, TRAIN_ROIS_PER_IMAGE times
            ROI_POSITIVE_RATIO.
    """

    rois: np.ndarray
    class_ids: np.ndarray
    refined: np.ndarray
    masks: np.ndarray
    proposals: int
    candidates: int
    most_positives: int

    def figures(self) -> dict[str, int]:
        """Counts by name."""
        positives = int((self.class_ids > 0).sum())
        return {
            "proposals": self.proposals,
            "of these with IoU of 0.5 or more": self.candidates,
            "positive": positives,
            "positive at most": self.most_positives,
            "negative": len(self.rois) - positives,
        }

    def by_class(self, class_names: Sequence[str]) -> dict[str, int]:
        """The number of training RoIs per class, background first."""
        counts = np.bincount(self.class_ids, minlength=len(class_names))
        return dict(zip(class_names, counts.tolist(), strict=False))

    def sentence(self) -> str:
        """Whether the heads learn from this image."""
        figures = self.figures()
        if not figures["positive"]:
            return (
                "No proposal overlaps an instance by half: the heads learn nothing from this "
                "image, neither classes nor masks, until the region proposal network finds better "
                "ones (ADD_GT_TO_PROPOSALS helps training from random weights)."
            )
        text = f"{figures['positive']} positive and {figures['negative']} negative RoIs"
        if figures["positive"] >= self.most_positives:
            return f"{text}, as many as training takes."
        return (
            f"{text}, where training would take {self.most_positives} positives: few proposals "
            "overlap an instance by half, and negatives are taken in proportion."
        )


def head_targets(
    scene: Scene, config: Config, values: dict[str, np.ndarray], seed: int = 0
) -> HeadTargets:
    """An image's RoIs as `mrcnn.network.targets.DetectionTargetLayer` samples them in training.

    values: `rpn_class` and `rpn_bbox` of `mrcnn.inspection.stages.run`. Training keeps more
    proposals (POST_NMS_ROIS_TRAINING) than inference. Raises DatasetError if the scene has no
    truth.
    """
    from mrcnn.network.targets import DetectionTargetLayer

    truth, shape = _truth(scene), scene.image.shape
    boxes = norm_boxes(truth.boxes, shape[:2])
    proposals = _training_proposals(scene, config, values)
    if config.ADD_GT_TO_PROPOSALS:
        proposals = np.concatenate([proposals, boxes])
    masks = truth.masks
    if config.USE_MINI_MASK:
        masks = minimize_mask(truth.boxes, masks, config.MINI_MASK_SHAPE)
    inputs = [proposals, truth.class_ids.astype(np.int32), boxes, masks]
    layer = DetectionTargetLayer(config, seed=seed)
    rois, class_ids, deltas, mask = (x.numpy()[0] for x in layer([x[None] for x in inputs]))
    used, positive = np.abs(rois).sum(axis=1) > 0, class_ids > 0
    std_dev = np.asarray(config.BBOX_STD_DEV)
    refined = apply_box_deltas(rois[positive], deltas[positive] * std_dev)
    overlaps = compute_overlaps(to_pixels(proposals, shape), scene.instances.astype(float))
    return HeadTargets(
        rois=to_pixels(rois[used], shape),
        class_ids=class_ids[used],
        refined=to_pixels(refined, shape),
        masks=mask[positive],
        proposals=len(proposals),
        candidates=int((overlaps.max(axis=1, initial=0) >= 0.5).sum()),
        most_positives=layer.most_positives,
    )


def _training_proposals(scene: Scene, config: Config, values: dict[str, np.ndarray]) -> np.ndarray:
    """Normalised proposals, float32 [N, 4], as many as training uses."""
    from mrcnn.network.build import pyramid_anchors
    from mrcnn.network.rpn import ProposalLayer

    shape = scene.image.shape
    anchors = norm_boxes(pyramid_anchors(config, shape), shape[:2])
    layer = ProposalLayer(config.POST_NMS_ROIS_TRAINING, config.RPN_NMS_THRESHOLD, config)
    rois = layer([values["rpn_class"][None], values["rpn_bbox"][None], anchors[None]]).numpy()[0]
    return rois[np.abs(rois).sum(axis=1) > 0]


def _truth(scene: Scene) -> Truth:
    if scene.truth is None:
        raise DatasetError(
            f"the instances of {scene.name} are not known, so it trains nothing",
            advice="choose an image of a data set",
        )
    return scene.truth
