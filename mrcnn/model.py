"""MaskRCNN: the class that scripts use, and the legacy function names.

config = FashionConfig()
model = MaskRCNN(mode="training", config=config, model_dir="logs")
model.load_weights("mask_rcnn_coco.h5", by_name=True, exclude=["mrcnn_class_logits", ...])
model.train(dataset_train, dataset_val, config.LEARNING_RATE, epochs=30, layers="heads")

model = MaskRCNN(mode="inference", config=config, model_dir="logs")
model.load_weights(model.find_last(), by_name=True)
result = model.detect([image])[0]  # rois, class_ids, scores, masks
"""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mrcnn import matterport_names
from mrcnn.config import Config
from mrcnn.data.dataset import Dataset
from mrcnn.errors import ConfigError, WeightsError
from mrcnn.inference import predictor
from mrcnn.matterport_names import *  # noqa: F403 - exactly the names of its __all__
from mrcnn.matterport_names import __getattr__ as __getattr__
from mrcnn.network import graph_queries
from mrcnn.network.build import build_model, pyramid_anchors
from mrcnn.network.graph_queries import ancestor, describe_array, run_graph
from mrcnn.training.checkpoints import LogFolder, advice_about, choose_log_folder, find_last
from mrcnn.training.epoch_evaluation import EpochEvaluation, evaluation_for
from mrcnn.training.learning_rate import scaled_rate
from mrcnn.training.processes import SingleDevice
from mrcnn.training.session import Session, Task, require_fitting_classes
from mrcnn.training.state import Continuation
from mrcnn.training.step import TrainingStep, make_optimizer
from mrcnn.training.strategies import distribution_for, training_step
from mrcnn.weights import matching
from mrcnn.weights.script_model import ScriptModel

__all__ = ["MaskRCNN", "log", *matterport_names.__all__]


def log(text: str, array: np.ndarray | None = None) -> None:
    """Print a text and, if an array is given, its shape, range and dtype."""
    print(text if array is None else f"{text:<25}{describe_array(array)}")


class MaskRCNN:
    """A Mask R-CNN for training or detection.

    Args:
        mode: 'training' or 'inference'; the graphs differ, the weights do not.
        config: a Config.
        model_dir: folder for training logs and checkpoints.

    Attributes:
        keras_model: the Keras model.
        epoch: epochs trained so far.
        log_dir: folder of this training run.
        checkpoint_path: path of its checkpoints, with `{epoch:04d}`.
        weights_attributes: texts stored in every weight file that is written.
        distribution: the devices and processes that training runs on.
        anchors: in pixels, for the molded size last used (IMAGE_SHAPE in training).

    Raises:
        ConfigError: an attribute of the config cannot work, or the machine lacks the devices.
    """

    def __init__(self, mode: str, config: Config, model_dir: str | Path):
        if mode not in ("training", "inference"):
            raise ConfigError(
                f"{{mode}} is {mode!r}", settings=("mode",), expected="'training' or 'inference'"
            )
        config.validate()
        self.mode = mode
        self.config = config
        self.model_dir = str(model_dir)
        # Detection uses one device, whatever GPU_COUNT says, with BATCH_SIZE images at a time.
        self.distribution = distribution_for(config) if mode == "training" else SingleDevice()
        with self.distribution.scope():
            self.keras_model = self.build(mode=mode, config=config)
        self._predictor = predictor.Predictor(self.keras_model, config)
        self._weights_path: Path | None = None
        self._continuation: Continuation | None = None
        self._evaluation: EpochEvaluation | None = None
        self._anchors_of: tuple | None = None
        self.weights_attributes: dict[str, str] = {}
        self.set_log_dir()
        if mode == "training":
            self.get_anchors(config.IMAGE_SHAPE)

    def build(self, mode: str, config: Config) -> keras.Model:
        """A new Keras model; its inputs and outputs are listed in docs/architecture.md."""
        return build_model(mode, config, ScriptModel)

    # ---- weights and logs ----

    def find_last(self) -> str:
        """Path of the last checkpoint of the last training run in `model_dir`.

        Raises:
            FileNotFoundError: there is none.
        """
        return str(find_last(self.model_dir, self.config.NAME or ""))

    def load_weights(
        self,
        filepath: str | Path,
        by_name: bool = False,
        exclude: str | Iterable[str] | None = None,
    ) -> matching.LoadReport:
        """Load a `.h5` file of Matterport's or of ours; see `mrcnn.weights.matching.load_weights`.

        If the file has another number of classes, a training model keeps its newly initialised
        class-dependent layers and says so; an inference model rejects the file. Loading a
        checkpoint also sets the epoch to resume from.

        Raises:
            WeightsError: the file is absent, damaged, or does not fit.
        """
        try:
            report = matching.load_weights(
                self.keras_model,
                filepath,
                by_name=by_name,
                exclude=exclude,
                class_mismatch="skip" if self.mode == "training" else "error",
            )
        except WeightsError as error:
            if (advice := advice_about(filepath)) is None:
                raise
            raise error.replace(advice=advice) from error
        if report.skipped or report.missing_in_file:
            print(report.summary())
        self._weights_path, self._continuation = Path(filepath), None
        self.set_log_dir(filepath)
        return report

    def save_weights(self, filepath: str | Path) -> None:
        """Write a `.h5` file that Matterport's code can read, too.

        Raises:
            WeightsError: it cannot be written; an existing file of that name is then untouched.
        """
        matching.save_weights(self.keras_model, filepath, self.weights_attributes)

    def get_imagenet_weights(self) -> str:
        """Path of the backbone's ImageNet weights; see `mrcnn.weights.known_files`.

        Raises:
            DownloadError: they are missing and cannot be downloaded.
        """
        from mrcnn.weights.known_files import get_imagenet_weights_path

        return str(get_imagenet_weights_path(backbone=self.config.BACKBONE))

    def set_log_dir(self, model_path: str | Path | None = None) -> None:
        """Choose log folder and epoch, from a checkpoint's path if one is given."""
        self._use_log(choose_log_folder(self.model_dir, self.config.NAME or "", model_path))
        self.epoch = self._log.epoch

    def _use_log(self, log: LogFolder) -> None:
        self._log = log
        self.log_dir = str(log.folder)
        self.checkpoint_path = log.pattern

    # ---- training ----

    def set_trainable(
        self, layer_regex: str, keras_model: keras.Model | None = None, verbose: int = 1
    ) -> None:
        """Make the layers whose names match the regular expression trainable, freeze all others."""
        model = keras_model or self.keras_model
        selected = graph_queries.set_trainable(model, layer_regex)
        if verbose:
            print("\n".join(["Selecting layers to train", *(f"    {n}" for n in selected)]))

    def compile(self, learning_rate: float, momentum: float) -> TrainingStep:
        """Create the optimizer and the training step for the currently selected layers."""
        config = self.config
        with self.distribution.scope():
            optimizer = make_optimizer(config.OPTIMIZER, learning_rate, momentum)
        self.keras_model.optimizer = optimizer
        return training_step(
            self.distribution,
            self.keras_model,
            optimizer,
            loss_weights=config.LOSS_WEIGHTS,
            weight_decay=config.WEIGHT_DECAY,
            clip_norm=config.GRADIENT_CLIP_NORM,
            clip_mode=config.GRADIENT_CLIP_MODE,
            accumulate_steps=config.ACCUMULATE_STEPS,
            average_decay=config.WEIGHTS_AVERAGE,
        )

    def train(
        self,
        train_dataset: Dataset,
        val_dataset: Dataset | None,
        learning_rate: float,
        epochs: int,
        layers: str,
        augmentation: Any = None,
        custom_callbacks: Sequence[keras.callbacks.Callback] | None = None,
        no_augmentation_sources: Sequence[str] | None = None,
    ) -> list[dict]:
        """Train until `epochs` epochs are done, earlier ones included.

        Writes into `log_dir` after every epoch: a checkpoint, `history.csv`, TensorBoard events,
        and the state from which an interrupted training resumes exactly.

        Meanwhile the whole process is affected: on a CPU, TensorFlow runs in its deterministic
        mode, and Ctrl-C ends training after the current step.

        Args:
            train_dataset: a prepared Dataset.
            val_dataset: a prepared Dataset, or None.
            learning_rate: changes within this call according to LEARNING_RATE_SCHEDULE and
                WARMUP_STEPS; SCALE_LEARNING_RATE multiplies it by the number of devices.
            epochs: the total.
            layers: 'heads', '5+', '4+', '3+', 'all', or a regular expression of layer names.
            augmentation: an imgaug augmenter for the training images.
            custom_callbacks: Keras callbacks; checkpoints are written before `on_epoch_end`.
            no_augmentation_sources: images of these sources are not augmented.

        Returns:
            A dictionary of losses for each epoch.

        Raises:
            ConfigError: NUM_CLASSES does not fit the data sets.
            TrainingError: a loss is no longer finite, a loader worker died, another process of
                the training is gone, or another training run uses the log folder.
            DatasetError: an image or its annotation cannot be used.
        """
        if self.mode != "training":
            raise ConfigError("This model was made with mode='inference' and cannot be trained")
        for dataset in filter(None, (train_dataset, val_dataset)):
            require_fitting_classes(self.config, dataset)
        learning_rate = scaled_rate(self.config, learning_rate, self.distribution.replicas)
        self.set_trainable(graph_queries.layer_regex(layers), verbose=0)
        step = self.compile(learning_rate, self.config.LEARNING_MOMENTUM)
        session = Session(self.config, self.distribution, step, self._log, self.weights_attributes)
        session.begin(train_dataset, self._weights_path, self._continuation)
        self._use_log(session.log)
        self.epoch = session.progress.epoch
        if session.is_over(epochs):
            return session.progress.history
        self._evaluation = evaluation_for(val_dataset, self.config, self._evaluation)
        task = Task(
            train_dataset,
            val_dataset,
            learning_rate,
            epochs,
            augmentation,
            custom_callbacks or (),
            no_augmentation_sources or (),
        )
        try:
            return session.run(task, self._evaluation)
        finally:
            self._remember(session)

    def _remember(self, session: Session) -> None:
        """Make the next call of `train` continue from here."""
        progress = session.progress
        self.epoch = progress.epoch
        self._log = dataclasses.replace(session.log, epoch=progress.epoch)
        self._continuation = Continuation(progress, session.step.optimizer)

    # ---- detection ----

    def detect(
        self, images: Sequence[np.ndarray], verbose: int = 0, *, soft_masks: bool = False
    ) -> list[dict]:
        """Find the instances in photographs.

        Args:
            images: uint8 RGB `[height, width, 3]`, of any size and number: they are processed in
                batches of BATCH_SIZE.
            verbose: 1 prints the inputs' shapes and ranges.
            soft_masks: also return the probabilities behind the masks; see
                `mrcnn.geometry.masks.box_probabilities`.

        Returns:
            A dictionary for each image: `rois` int32 `[N, (y1, x1, y2, x2)]` in pixels, `class_ids`
            int32 `[N]`, `scores` float32 `[N]` descending, `masks` bool `[height, width, N]`; with
            `soft_masks` float32 `[N, mask height, mask width]`, the probabilities in each box.
        """
        self._require_inference()
        if verbose:
            log(f"Processing {len(images)} images")
            for image in images:
                log("image", image)
        results = list(self._predictor.detect(images, self.config.BATCH_SIZE, soft_masks))
        if results:
            self.get_anchors(self._predictor.molded_size)
        return results

    def detect_molded(
        self, molded_images: np.ndarray, image_metas: np.ndarray, verbose: int = 0
    ) -> list[dict]:
        """`detect` for already molded images; boxes and masks stay in molded pixels."""
        self._require_inference()
        for name, array in (("molded_images", molded_images), ("image_metas", image_metas)):
            if verbose:
                log(name, array)
        outputs = self._predictor.run(molded_images, image_metas)
        results = []
        for image, detections, masks in zip(molded_images, outputs[0], outputs[3], strict=True):
            window = (0, 0, *image.shape[:2])
            found = self.unmold_detections(detections, masks, image.shape, image.shape, window)
            results.append(dict(zip(("rois", "class_ids", "scores", "masks"), found, strict=True)))
        return results

    def mold_inputs(
        self, images: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Convert images to network inputs: see `mrcnn.inference.predictor.mold_inputs`."""
        return predictor.mold_inputs(images, self.config)

    def unmold_detections(
        self,
        detections: np.ndarray,
        mrcnn_mask: np.ndarray,
        original_image_shape: Sequence[int],
        image_shape: Sequence[int],
        window: Sequence[int],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Detections on the original image: see `mrcnn.inference.predictor.unmold_detections`."""
        return predictor.unmold_detections(
            detections,
            mrcnn_mask,
            original_image_shape,
            image_shape,
            window,
            self.config.MASK_RESAMPLE,
        )

    def get_anchors(self, image_shape: Sequence[int]) -> np.ndarray:
        """Normalised anchors of a molded size, float32 `[anchors, 4]`; sets `self.anchors`."""
        size = tuple(image_shape[:2])
        if self._anchors_of != size:
            self.anchors, self._anchors_of = pyramid_anchors(self.config, size), size
        return self._predictor.anchors(size)

    def _require_inference(self) -> None:
        if self.mode != "inference":
            raise ConfigError("This model was made with mode='training' and cannot detect")

    # ---- looking inside ----

    def find_trainable_layer(self, layer: keras.layers.Layer) -> keras.layers.Layer:
        """The layer that holds the weights: the inner one of a per-RoI wrapper."""
        return graph_queries.find_trainable_layer(layer)

    def get_trainable_layers(self) -> list[keras.layers.Layer]:
        """All layers of the model with weights."""
        found = (self.find_trainable_layer(layer) for layer in self.keras_model.layers)
        return [layer for layer in found if layer.weights]

    def ancestor(self, tensor: keras.KerasTensor, name: str) -> keras.KerasTensor | None:
        """The tensor of layer `name` from which `tensor` is computed, or None."""
        return ancestor(tensor, name)

    def run_graph(
        self,
        images: Sequence[np.ndarray],
        outputs: Iterable[tuple[str, keras.KerasTensor]],
        image_metas: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """The values of any tensors in the graph for some images.

        Args:
            images: photographs; or molded images, if `image_metas` is given.
            outputs: pairs of a name and a tensor, such as
                `("rpn_class", model.keras_model.get_layer("rpn_class").output)`.
            image_metas: `[batch, 12 + classes]`.

        Returns:
            The arrays by name, in the order asked for.
        """
        if image_metas is None:
            molded, image_metas, _ = self.mold_inputs(images)
        else:
            molded = np.asarray(images)
        anchors = self.get_anchors(molded.shape[1:])
        available = {
            "input_image": molded,
            "input_image_meta": image_metas,
            "input_anchors": np.broadcast_to(anchors, (len(molded), *anchors.shape)),
        }
        arrays = run_graph(self.keras_model, available, dict(outputs))
        for name, array in arrays.items():
            log(name, array)
        return arrays
