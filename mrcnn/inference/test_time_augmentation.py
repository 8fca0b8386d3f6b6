"""Test-time augmentation: detect on the original image, mirrored and at other scales, and merge.

    augmentation = Augmentation.parse("flip,0.8,1.25")
    detector = AugmentedDetector.of_model(model, augmentation)
    result = detector.detect([image])[0]  # like that of MaskRCNN.detect

A scale is a factor of the size at which the network sees the picture. Resizing the photograph
would change nothing, since detection resizes every photograph to the configured size; so the
picture is molded at the scaled size instead, and padded to an input of that size (a multiple of 64)
with its own anchors. The network accepts inputs of any such size with the same weights. Boxes and
masks are in the original's size, as in any detection.

TensorFlow is not imported until detection at another scale starts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mrcnn.config import Config
from mrcnn.errors import ConfigError
from mrcnn.geometry.boxes import compute_overlaps, extract_bboxes
from mrcnn.images.molding import compose_image_meta, grey_levels, mold_image
from mrcnn.images.resizing import fixed_size, resize, resize_to_config

LEAST_SCALE, GREATEST_SCALE = 0.25, 4.0
STRIDE = 64  # a network's input has sides that can be halved six times
SAME_INSTANCE = 0.5

Detect = Callable[[np.ndarray], Mapping[str, np.ndarray]]


class InferenceModel(Protocol):
    """The part of a `MaskRCNN` in inference mode that is used."""

    config: Config
    keras_model: Any

    def detect(self, images: Sequence[np.ndarray]) -> list[dict]:
        """See `MaskRCNN.detect`."""


@dataclass(frozen=True)
class Augmentation:
    """The variants of an image to detect on: every scale, and with `flip` each also mirrored.

    Attributes:
        flip: also detect on the image mirrored left to right.
        scales: factors of the usual input size; the first one is always 1.0.
    """

    flip: bool = False
    scales: tuple[float, ...] = (1.0,)

    @classmethod
    def parse(cls, text: str) -> "Augmentation":
        """Parse comma-separated words: `flip`, and scales, such as "flip,0.8,1.25".

        Raises:
            ConfigError: another word, a scale out of range, or an empty text.
        """
        flip, scales = False, [1.0]
        for word in (word.strip() for word in text.split(",")):
            if word == "flip":
                flip = True
                continue
            try:
                scale = float(word)
            except ValueError:
                scale = 0.0
            if not LEAST_SCALE <= scale <= GREATEST_SCALE:
                raise ConfigError(
                    "this is not a test-time augmentation",
                    expected=f"flip, or a scale from {LEAST_SCALE:g} to {GREATEST_SCALE:g}, "
                    "separated by commas, such as flip,0.8,1.25",
                    found=repr(word),
                )
            if scale not in scales:
                scales.append(scale)
        return cls(flip, tuple(scales))

    def __str__(self) -> str:
        """A text that `parse` accepts, equal for equal passes: `flip,0.8,1.25`; or "none"."""
        words = ["flip"] * self.flip + [f"{s:g}" for s in sorted(self.scales) if s != 1]
        return ",".join(words) or "none"

    @property
    def passes(self) -> int:
        """How often the network runs per image."""
        return len(self.scales) * (1 + self.flip)


class AugmentedDetector:
    """Detects like `MaskRCNN.detect`, on several variants of each image.

    Args:
        detects: functions from an image to its result, one per scale, with boxes and masks at the
            image's size.
        flip: run each on the mirrored image as well.
        nms_threshold, max_instances: see `merge_detections`.
    """

    def __init__(
        self,
        detects: Sequence[Detect],
        flip: bool,
        nms_threshold: float = 0.3,
        max_instances: int | None = None,
    ) -> None:
        self.detects, self.flip = tuple(detects), flip
        self.nms_threshold, self.max_instances = nms_threshold, max_instances

    @classmethod
    def of_model(cls, model: InferenceModel, augmentation: Augmentation) -> "AugmentedDetector":
        """A detector for a `MaskRCNN` in inference mode, merging by its configuration's limits."""

        def plain(image: np.ndarray) -> Mapping[str, np.ndarray]:
            return model.detect([image])[0]

        detects: list[Detect] = [plain]
        if len(augmentation.scales) > 1:
            scaled = ScaledDetector(model)
            detects += [scaled.at(scale) for scale in augmentation.scales if scale != 1]
        config = model.config
        return cls(
            detects,
            augmentation.flip,
            float(config.DETECTION_NMS_THRESHOLD),
            int(config.DETECTION_MAX_INSTANCES),
        )

    def detect(self, images: Sequence[np.ndarray]) -> list[dict]:
        """Find the instances in photographs; see `MaskRCNN.detect`."""
        return [
            merge_detections(self.detect_passes(image), self.nms_threshold, self.max_instances)
            for image in images
        ]

    def detect_passes(self, image: np.ndarray) -> list[Mapping[str, np.ndarray]]:
        """The result of each pass, mapped to the original, before merging."""
        results = []
        for detect in self.detects:
            results.append(detect(image))
            if self.flip:
                mirrored = detect(np.ascontiguousarray(image[:, ::-1]))
                results.append(flip_result(mirrored, image.shape[1]))
        return results


def flip_result(result: Mapping[str, np.ndarray], width: int) -> dict[str, np.ndarray]:
    """Map detections between an image and its mirror image, `width` pixels wide."""
    rois = np.asarray(result["rois"]).copy()
    rois[:, 1], rois[:, 3] = width - result["rois"][:, 3], width - result["rois"][:, 1]
    return {**result, "rois": rois, "masks": np.asarray(result["masks"])[:, ::-1]}


def merge_detections(
    results: Sequence[Mapping[str, np.ndarray]],
    nms_threshold: float = 0.3,
    max_instances: int | None = None,
) -> dict[str, np.ndarray]:
    """Merge one image's detections from several passes.

    Non-maximum suppression runs within each class, over all passes: the detection with the highest
    score removes those whose box IoU with it exceeds `nms_threshold`. The best detection of each
    other pass with an IoU of `SAME_INSTANCE` or more counts as the same instance and votes:

    - mask: the pixels with more than half of the votes, weighted by score; at exactly half, the
      detection with the highest score decides (so with two passes, always the higher-scoring one).
    - box: the mean of the voting boxes, weighted by score, rounded to pixels.
    - score: the sum of the voting scores divided by the number of passes, so that detections of
      only one pass rank below those on which all passes agree.

    The result of a single pass is only sorted and suppressed.

    Args:
        results: one per pass on the same image: `rois` [N, 4], `class_ids` [N], `scores` [N],
            `masks` [height, width, N].
        nms_threshold: box IoU, 0 to 1.
        max_instances: maximum number to keep, by score; None: all.

    Returns:
        A dictionary with the same keys, by descending score: int32, int32, float32 and bool.

    Raises:
        ValueError: no pass.
    """
    if not results:
        raise ValueError("There is no pass to merge.")
    joined, all_masks = _join(results)
    groups = _groups(joined, nms_threshold)
    total = joined["scores"].astype(np.float64)
    scores = np.array([total[group].sum() / len(results) for group in groups])
    order = np.argsort(-scores, kind="stable")[:max_instances]
    seeds = np.array([groups[i][0] for i in order], dtype=np.intp)
    rois = [
        np.average(joined["rois"][groups[i]], axis=0, weights=np.maximum(total[groups[i]], 1e-9))
        for i in order
    ]
    masks = np.zeros((len(order), *results[0]["masks"].shape[:2]), dtype=bool)
    for mask, index in zip(masks, order, strict=True):
        _vote([all_masks[i] for i in groups[index]], total[groups[index]], out=mask)
    return {
        "rois": np.rint(rois).astype(np.int32).reshape(-1, 4),
        "class_ids": joined["class_ids"][seeds],
        "scores": scores[order].astype(np.float32),
        "masks": np.ascontiguousarray(np.moveaxis(masks, 0, -1)),
    }


def _join(results: Sequence[Mapping]) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """All passes' detections by descending score, with their pass, int [n]; and their masks.

    The masks are views [height, width] of the given ones: copies of a hundred at a photograph's
    size would take a gigabyte.
    """
    passes = np.repeat(np.arange(len(results)), [len(r["class_ids"]) for r in results])
    scores = np.concatenate([r["scores"] for r in results]).astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    masks = [r["masks"][..., i] for r in results for i in range(len(r["class_ids"]))]
    rois = np.concatenate([np.asarray(r["rois"]).reshape(-1, 4) for r in results])
    class_ids = np.concatenate([r["class_ids"] for r in results])
    joined = {
        "rois": rois.astype(np.int32)[order],
        "class_ids": class_ids.astype(np.int32)[order],
        "scores": scores[order],
        "passes": passes[order],
    }
    return joined, [masks[i] for i in order]


def _groups(joined: Mapping[str, np.ndarray], threshold: float) -> list[np.ndarray]:
    """Indices of the detections of each instance, by descending score."""
    same_class = joined["class_ids"][:, None] == joined["class_ids"][None]
    overlaps = np.nan_to_num(compute_overlaps(joined["rois"], joined["rois"])) * same_class
    left, groups = np.ones(len(overlaps), dtype=bool), []
    for seed, overlap in enumerate(overlaps):
        if not left[seed]:
            continue
        near = left & (overlap >= SAME_INSTANCE) & (joined["passes"] != joined["passes"][seed])
        candidates = np.flatnonzero(near)
        _, first = np.unique(joined["passes"][candidates], return_index=True)
        groups.append(np.array([seed, *np.sort(candidates[first])]))
        left &= overlap <= threshold
        left[groups[-1]] = False
    return groups


def _vote(masks: Sequence[np.ndarray], weights: np.ndarray, out: np.ndarray) -> None:
    """The weighted majority of bool masks [height, width], written to `out` of the same shape."""
    if len(masks) == 1 or 2 * weights[0] >= weights.sum():
        out[:] = masks[0]
        return
    y1, x1, y2, x2 = extract_bboxes(np.logical_or.reduce(list(masks))[..., None])[0]
    part = np.stack([mask[y1:y2, x1:x2] for mask in masks])
    share = np.tensordot(weights, part, 1) / weights.sum()
    out[y1:y2, x1:x2] = np.where(np.isclose(share, 0.5), part[0], share > 0.5)


class ScaledDetector:
    """Detects with a `MaskRCNN`'s network at sizes other than the configured one.

    Args:
        model: in inference mode, with any resize mode except 'crop'.

    Raises:
        ConfigError: its resize mode is 'crop', which is for training.
    """

    def __init__(self, model: InferenceModel) -> None:
        from mrcnn.inference.predictor import Predictor

        self.config = model.config
        if self.config.IMAGE_RESIZE_MODE == "crop":
            raise ConfigError(
                "scales need another {IMAGE_RESIZE_MODE} than 'crop', which is for training only",
                settings=("IMAGE_RESIZE_MODE",),
            )
        self._predictor = Predictor(model.keras_model, self.config)

    def at(self, scale: float) -> Detect:
        """A function from an image, uint8 RGB [height, width, 3], to its result at a scale."""
        return lambda image: self._detect(image, scale)

    def _detect(self, image: np.ndarray, scale: float) -> dict[str, np.ndarray]:
        from mrcnn.inference.predictor import MoldedImage

        molded, meta, window = mold_at_scale(image, self.config, scale)
        detections, masks = self._predictor.run_detection(molded[None], meta[None])
        one = MoldedImage(molded, meta, window, grey_levels(image, self.config))
        return self._predictor.result(one, detections[0], masks[0])


def mold_at_scale(
    image: np.ndarray, config: Config, scale: float
) -> tuple[np.ndarray, np.ndarray, tuple[int, int, int, int]]:
    """Resize, pad and normalise an image so that the network sees it `scale` times its usual size.

    Args:
        image: uint8 RGB [height, width, 3].
        config: its IMAGE_ attributes give the usual size.
        scale: a factor.

    Returns:
        the molded image, float32 [h, w, 3] with h and w multiples of 64 (in modes 'square' and
        'shape' the same for every image); its meta [12 + classes]; and the window (y1, x1, y2, x2)
        in pixels, the picture's position in it.
    """
    image = grey_levels(image, config)
    factor = resize_to_config(image, config)[2] * scale
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    picture = resize(image, (height, width), preserve_range=True).astype(image.dtype)
    usual = fixed_size(config)
    target = [side * scale for side in usual] if usual else [height, width]
    target = [max(-(-round(side) // STRIDE), 1) * STRIDE for side in target]
    top, left = (target[0] - height) // 2, (target[1] - width) // 2
    padding = [(top, target[0] - height - top), (left, target[1] - width - left), (0, 0)]
    molded = np.pad(picture, padding)
    window = (top, left, top + height, left + width)
    no_classes = np.zeros(config.NUM_CLASSES, dtype=np.int32)
    meta = compose_image_meta(0, image.shape, molded.shape, window, factor, no_classes)
    return mold_image(molded, config).astype(np.float32), meta, window
