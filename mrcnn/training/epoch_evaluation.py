"""COCO average precision during training: a fixed validation set, the current weights.

The training model cannot detect, so an inference model is built beside it when first needed; before
each evaluation it takes over the training model's weights.
"""

import copy
from collections.abc import Callable
from typing import NamedTuple

import cv2
import keras
import numpy as np
from tqdm import tqdm

from mrcnn.config import Config
from mrcnn.data.dataset import Dataset
from mrcnn.data.instances import load_instances
from mrcnn.drawing.painting import draw_detections
from mrcnn.errors import ConfigError
from mrcnn.evaluation.coco_ap import average_precision, ground_truth, results_of
from mrcnn.geometry.boxes import extract_bboxes
from mrcnn.inference.predictor import Predictor
from mrcnn.network.build import build_model
from mrcnn.training.history import EVALUATED

# Low, as is usual for average precision: low-scoring detections count towards recall.
SCORE_THRESHOLD = 0.05
# Pictures show detections of at least this score, or the configuration's minimum if lower.
PICTURE_SCORE = 0.5
PICTURES = 4
PICTURE_SIDE = 480


class Evaluated(NamedTuple):
    """The results of one evaluation.

    Attributes:
        figures: by column of `history.EVALUATED`, 0 to 1; -1 if no image has an instance.
        pictures: by name, uint8 RGB: the annotations on the left, the detections on the right.
    """

    figures: dict[str, float]
    pictures: dict[str, np.ndarray]


class EpochEvaluation:
    """Evaluates every few epochs, always on the same images.

    Args:
        dataset: a prepared Dataset, the validation set.
        config: of the training; detections count from a score of `SCORE_THRESHOLD`, whatever
            DETECTION_MIN_CONFIDENCE says.
        every: epochs from one evaluation to the next.
        images: maximum number of images, spread evenly over the data set; None: all.
        pictures: number of images that are drawn.
    """

    def __init__(
        self,
        dataset: Dataset,
        config: Config,
        *,
        every: int,
        images: int | None = None,
        pictures: int = PICTURES,
    ):
        self.dataset, self.every = dataset, every
        self.config = _detecting(config)
        self.picture_score = min(PICTURE_SCORE, config.DETECTION_MIN_CONFIDENCE)
        self.image_ids = _spread(np.asarray(dataset.image_ids), images)
        self.drawn = {int(image_id) for image_id in _spread(self.image_ids, pictures)}
        self._predictor: Predictor | None = None
        self._truth: dict | None = None

    def is_due(self, epoch: int, epochs: int) -> bool:
        """Whether to evaluate after this many epochs: every `every`, and after the last."""
        return epoch % self.every == 0 or epoch == epochs

    def run(self, model: keras.Model, between: Callable[[], object] = lambda: None) -> Evaluated:
        """Detect on all images with a training model's weights, and evaluate.

        Args:
            model: from `mrcnn.network.build.build_model("training", ...)`; it is not modified.
            between: called after each image; it may raise to end the evaluation.

        Raises:
            ConfigError: the backbone has layers without explicit names.
            DatasetError: an image or its annotation cannot be used.
        """
        predictor = self._predictor_with_weights_of(model)
        images = (self.dataset.load_image(image_id) for image_id in self.image_ids)
        found = predictor.detect(images, self.config.BATCH_SIZE)
        bar = tqdm(found, "Evaluating", len(self.image_ids), unit="image", leave=False)
        rows: list[dict] = []
        pictures: dict[str, np.ndarray] = {}
        for image_id, result in zip(self.image_ids, bar, strict=True):
            rows += results_of(image_id, result)
            if int(image_id) in self.drawn:
                pictures[f"validation/{len(pictures) + 1}"] = self._picture(image_id, result)
            between()
        self._truth = self._truth or ground_truth(self.dataset, self.image_ids)
        measured = average_precision(self._truth, rows)
        figures = {name: measured[kind][figure] for name, (kind, figure) in EVALUATED.items()}
        return Evaluated(figures, pictures)

    def _predictor_with_weights_of(self, model: keras.Model) -> Predictor:
        if self._predictor is None:
            self._predictor = Predictor(build_model("inference", self.config), self.config)
        trained = {variable.path: variable for variable in model.weights}
        for variable in self._predictor.model.weights:
            source = trained.get(variable.path)
            if source is None or source.shape != variable.shape:
                raise ConfigError(
                    f"The weight {variable.path} has another name in training, so that "
                    f"{{EVALUATE_EVERY}} cannot detect with it",
                    settings=("EVALUATE_EVERY", "BACKBONE"),
                    advice="give every layer of {BACKBONE} a name",
                )
            variable.assign(source)
        return self._predictor

    def _picture(self, image_id: int, result: dict) -> np.ndarray:
        """Annotations and detections side by side, each at most PICTURE_SIDE pixels long."""
        image = self.dataset.load_image(image_id)
        masks, class_ids = load_instances(self.dataset, image_id)
        truth = {"rois": extract_bboxes(masks), "class_ids": np.abs(class_ids), "masks": masks}
        sure = result["scores"] >= self.picture_score
        shown = {name: result[name][sure] for name in ("rois", "class_ids", "scores")}
        shown["masks"] = result["masks"][:, :, sure]
        sides = [_shrink(image, each) for each in (truth, shown)]
        drawn = [draw_detections(*side, self.dataset.class_names) for side in sides]
        gap = np.full((drawn[0].shape[0], 4, 3), 255, np.uint8)
        return np.concatenate([drawn[0], gap, drawn[1]], axis=1)


def evaluation_for(
    dataset: Dataset | None, config: Config, former: EpochEvaluation | None = None
) -> EpochEvaluation | None:
    """The evaluation that EVALUATE_EVERY and EVALUATE_IMAGES ask for; None for no evaluation.

    Args:
        dataset: the validation set, or None.
        config: of the training.
        former: reused if its settings are the same, since its model takes a while to build.

    Raises:
        ConfigError: there is nothing to evaluate on.
    """
    every = config.EVALUATE_EVERY
    if not every:
        return None
    if dataset is None:
        raise ConfigError(
            "{EVALUATE_EVERY} needs a validation set",
            settings=("EVALUATE_EVERY",),
            advice="give one, or set it to 0",
        )
    if former is not None and former.dataset is dataset and former.every == every:
        return former
    return EpochEvaluation(dataset, config, every=every, images=config.EVALUATE_IMAGES)


def _detecting(config: Config) -> Config:
    """The configuration of the inference model for a training model of this configuration."""
    detecting = copy.copy(config)
    detecting.DETECTION_MIN_CONFIDENCE = SCORE_THRESHOLD
    if config.IMAGE_RESIZE_MODE == "crop":
        # A random window is for training only; this is the whole image at the same scale.
        detecting.IMAGE_RESIZE_MODE = "pad64"
    return detecting


def _spread(image_ids: np.ndarray, count: int | None) -> np.ndarray:
    """At most `count` of the ids, evenly spaced."""
    if count is None or count >= len(image_ids):
        return image_ids
    return image_ids[np.arange(count) * len(image_ids) // count]


def _shrink(image: np.ndarray, result: dict) -> tuple[np.ndarray, dict]:
    """Image and instances scaled down together, so that lines and captions keep their size."""
    height, width = image.shape[:2]
    scale = min(1.0, PICTURE_SIDE / max(height, width))
    if scale == 1.0:
        return image, result
    size = max(1, round(width * scale)), max(1, round(height * scale))
    masks = np.zeros((size[1], size[0], result["masks"].shape[2]), bool)
    for index in range(masks.shape[2]):
        mask = result["masks"][:, :, index].astype(np.uint8)
        masks[:, :, index] = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
    rois = np.rint(np.asarray(result["rois"]) * scale).astype(np.int32)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small, {**result, "rois": rois, "masks": masks}
