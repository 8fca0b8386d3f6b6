"""From photographs to detections: mold, run the network, unmold."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from mrcnn.config import Config
from mrcnn.errors import ConfigError, DatasetError
from mrcnn.geometry.boxes import denorm_boxes, norm_boxes
from mrcnn.geometry.masks import MASK_THRESHOLD, aligned_probabilities, paste_mask
from mrcnn.images.molding import compose_image_meta, grey_levels, mold_image
from mrcnn.images.resizing import resize_to_config
from mrcnn.inference.folding import FoldedWeights, fold_inference
from mrcnn.inference.guided_masks import guided_probabilities
from mrcnn.network.build import pyramid_anchors

DETECTIONS, MASKS = 0, 3  # which of the inference model's outputs
ANCHOR_SIZES = 8  # molded sizes whose anchors are kept


@dataclass(frozen=True)
class MoldedImage:
    """An image as network input, and what is needed to map results back to the original.

    Attributes:
        image: float32 `[h, w, channels]`, mean subtracted.
        meta: float64 `[12 + classes]`.
        window: the original's position in it, `(y1, x1, y2, x2)` in pixels.
        original: `[height, width, channels]`, grey levels as they were molded.
    """

    image: np.ndarray
    meta: np.ndarray
    window: tuple[int, int, int, int]
    original: np.ndarray


def mold_one(image: np.ndarray, config: Config) -> MoldedImage:
    """Resize, pad and normalise one RGB image, uint8 `[height, width, channels]`.

    Raises:
        DatasetError: it is not an image with the configured number of channels, or has values that
            `grey_levels` rejects.
    """
    channels = config.IMAGE_CHANNEL_COUNT
    if not isinstance(image, np.ndarray):
        raise DatasetError(
            "this is not an image",
            expected="a NumPy array, uint8 (height, width, channels)",
            found=type(image).__name__,
        )
    if image.ndim != 3 or image.shape[2] != channels or 0 in image.shape:
        raise DatasetError(
            "an array of this shape is not an image for this model",
            expected=f"(height, width, {channels}) with at least one pixel",
            found=tuple(image.shape),
        )
    image = grey_levels(image, config)
    molded, window, scale, _, _ = resize_to_config(image, config)
    no_classes = np.zeros([config.NUM_CLASSES], dtype=np.int32)
    meta = compose_image_meta(0, image.shape, molded.shape, window, scale, no_classes)
    normalised = mold_image(molded, config).astype(np.float32)
    return MoldedImage(normalised, meta, tuple(window), image)


def mold_inputs(
    images: Sequence[np.ndarray], config: Config
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mold a batch of images, like Matterport's function of that name.

    Returns:
        `molded_images` float32 `[batch, h, w, channels]`, `image_metas` `[batch, 12 + classes]`,
        `windows` `[batch, 4]` in pixels.

    Raises:
        DatasetError: the molded images differ in size (modes 'none', 'fit64', 'pad64').
    """
    molded = [mold_one(image, config) for image in images]
    shapes = {m.image.shape for m in molded}
    if len(shapes) > 1:
        raise DatasetError(
            "the images of one batch get different sizes",
            settings=("IMAGE_RESIZE_MODE",),
            found=sorted(s[:2] for s in shapes),
            advice="set {IMAGE_RESIZE_MODE} to 'square', or take one image per batch",
        )
    images_in, metas = np.stack([m.image for m in molded]), np.stack([m.meta for m in molded])
    return images_in, metas, np.stack([m.window for m in molded])


def unmold_detections(
    detections: np.ndarray,
    mrcnn_mask: np.ndarray,
    original_image_shape: Sequence[int],
    image_shape: Sequence[int],
    window: Sequence[int],
    resample: str = "exact",
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Map one image's detections back to the original image.

    Args:
        detections: float `[n, (y1, x1, y2, x2, class id, score)]`, normalised, zero-padded.
        mrcnn_mask: float `[n, h, w, classes]`.
        original_image_shape: `(height, width, channels)`.
        image_shape: of the molded image.
        window: the original's position in it, `(y1, x1, y2, x2)` in pixels.
        resample: how masks are enlarged; see `mrcnn.geometry.masks.box_mask`.

    Returns:
        `boxes` int32 `[N, 4]` in pixels of the original, `class_ids` int32 `[N]`, `scores`
        float32 `[N]`, `masks` bool `[height, width, N]` (with N = 0: float64, as in the original).
    """
    boxes, class_ids, scores, masks = _unmold_boxes(
        detections, mrcnn_mask, original_image_shape, image_shape, window
    )
    return boxes, class_ids, scores, paste_all(masks, boxes, original_image_shape, resample)


def _unmold_boxes(detections, mrcnn_mask, original_image_shape, image_shape, window):
    """Like `unmold_detections`, but with each mask as the network outputs it, `[h, w]`."""
    padding = np.where(detections[:, 4] == 0)[0]
    count = padding[0] if len(padding) else len(detections)
    boxes, class_ids = detections[:count, :4], detections[:count, 4].astype(np.int32)
    masks = mrcnn_mask[np.arange(count), :, :, class_ids]
    boxes = boxes_in_window(boxes, window, image_shape, original_image_shape)
    kept = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return boxes[kept], class_ids[kept], detections[:count, 5][kept], masks[kept]


def boxes_in_window(
    boxes: np.ndarray,
    window: Sequence[int],
    image_shape: Sequence[int],
    original_image_shape: Sequence[int],
) -> np.ndarray:
    """Map normalised boxes on the molded image to int32 pixel boxes `[n, 4]` on the original."""
    normalised = norm_boxes(np.asarray(window), image_shape[:2])
    origin, size = normalised[[0, 1, 0, 1]], normalised[2:] - normalised[:2]
    boxes = (boxes - origin) / np.tile(np.where(size > 0, size, 1), 2)
    # A window one pixel high has no height in normalised coordinates; its boxes span the original.
    boxes = np.where(np.tile(size > 0, 2), boxes, [0.0, 0.0, 1.0, 1.0])
    return denorm_boxes(boxes, original_image_shape[:2])


def paste_all(
    masks: np.ndarray,
    boxes: np.ndarray,
    image_shape: Sequence[int],
    resample: str = "exact",
    image: np.ndarray | None = None,
) -> np.ndarray:
    """Masks `[N, h, w]` pasted into their boxes: bool `[height, width, N]`.

    With `resample` "guided" and the image, their outlines follow its edges.

    In memory, each mask is contiguous. If they were interleaved pixel by pixel, reading one of N
    would mean reading all of them.
    """
    if not len(masks):
        return np.empty((*image_shape[:2], 0))
    full = np.zeros((len(masks), *image_shape[:2]), dtype=bool)
    for mask, box, out in zip(masks, boxes, full, strict=True):
        if resample == "guided" and image is not None:
            y1, x1, y2, x2 = box
            aligned = aligned_probabilities(mask, (y2 - y1, x2 - x1))
            out[y1:y2, x1:x2] = guided_probabilities(image, box, aligned) >= MASK_THRESHOLD
        else:
            paste_mask(mask, box, out, resample)
    return np.moveaxis(full, 0, -1)


def _compiled(model: keras.Model):
    # No Python control flow depends on tensors, and AutoGraph's search for it takes time.
    return tf.function(
        lambda inputs: model(inputs, training=False), reduce_retracing=True, autograph=False
    )


class Predictor:
    """Runs an inference model, compiled at the first call and again for a more general shape.

    Args:
        model: from `mrcnn.network.build.build_model("inference", ...)`.
        config: its configuration.
    """

    def __init__(self, model: keras.Model, config: Config):
        self.model = model
        self.config = config
        self.molded_size: tuple[int, int] = (0, 0)  # of the last batch
        self._anchors: dict[tuple[int, ...], np.ndarray] = {}
        self._run_all = _compiled(model)
        self._run_detection: Callable[[list], list[tf.Tensor]] | None = None
        self._folded_weights = FoldedWeights([])

    def anchors(self, image_shape: Sequence[int]) -> np.ndarray:
        """Normalised anchors of a molded size, float32 `[anchors, 4]`."""
        key = int(image_shape[0]), int(image_shape[1])
        if key not in self._anchors:
            if len(self._anchors) == ANCHOR_SIZES:  # 6.3 MB each at 1024 x 1024
                del self._anchors[next(iter(self._anchors))]
            self._anchors[key] = norm_boxes(pyramid_anchors(self.config, key), key)
        return self._anchors[key]

    def run(self, molded_images: np.ndarray, image_metas: np.ndarray) -> list[np.ndarray]:
        """The model's seven outputs for molded images `[batch, h, w, channels]` and their metas."""
        return self._outputs(self._run_all, molded_images, image_metas)

    def run_detection(
        self, molded_images: np.ndarray, image_metas: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The two outputs needed for detections, by the faster graph of `mrcnn.inference.folding`.

        Returns:
            `mrcnn_detection` float32 `[batch, n, 6]`, and `mrcnn_mask` float32
            `[batch, rows, h, w, classes]`, whose rows end with the last detection of the batch.
        """
        if self._run_detection is None:
            folded = fold_inference(self.model)
            wanted = [folded.outputs[DETECTIONS], folded.outputs[MASKS]]
            self._run_detection = _compiled(keras.Model(folded.inputs, wanted))
            self._folded_weights = FoldedWeights(folded.layers)
        else:
            self._folded_weights.refresh()
        detections, masks = self._outputs(self._run_detection, molded_images, image_metas)
        return detections, masks

    def _outputs(self, run, molded_images, image_metas) -> list[np.ndarray]:
        self.molded_size = molded_images.shape[1:3]
        anchors = self.anchors(self.molded_size)
        anchors = np.broadcast_to(anchors, (len(molded_images), *anchors.shape))
        inputs = (molded_images, image_metas, anchors)
        outputs = run([tf.convert_to_tensor(x, tf.float32) for x in inputs])
        return [output.numpy() for output in outputs]

    def detect(
        self, images: Iterable[np.ndarray], batch_size: int, soft_masks: bool = False
    ) -> Iterator[dict]:
        """Detections of each image, in order; see `MaskRCNN.detect`.

        A batch consists of consecutive images with the same molded size.

        Raises:
            ConfigError: the resize mode is 'crop', which would use a random part of each image, or
                a script for TensorFlow 1 calls this within a graph.
            DatasetError: see `mold_one`.
        """
        if not tf.executing_eagerly():
            raise ConfigError(
                "detection runs within a graph of TensorFlow 1",
                advice="leave out `with graph.as_default():` around `detect`",
            )
        if self.config.IMAGE_RESIZE_MODE == "crop":
            raise ConfigError(
                "{IMAGE_RESIZE_MODE} is 'crop', which is for training only",
                settings=("IMAGE_RESIZE_MODE",),
                advice="set it to 'pad64' in the configuration of the model that detects",
            )
        molded = (mold_one(image, self.config) for image in images)
        for _, same_size in itertools.groupby(molded, key=lambda m: m.image.shape):
            while batch := list(itertools.islice(same_size, batch_size)):
                images_in, metas = np.stack([m.image for m in batch]), [m.meta for m in batch]
                detections, masks = self.run_detection(images_in, np.stack(metas))
                for i, one in enumerate(batch):
                    yield self.result(one, detections[i], masks[i], soft_masks)

    def result(
        self,
        molded: MoldedImage,
        detections: np.ndarray,
        masks: np.ndarray,
        soft_masks: bool = False,
    ) -> dict:
        """One image's detections as returned by `MaskRCNN.detect`.

        Args:
            molded: the image.
            detections: its `[n, 6]`. masks: its `[rows, h, w, classes]`; see `run_detection`.
            soft_masks: whether to include the masks before they are thresholded.
        """
        image = molded.original
        boxes, class_ids, scores, soft = _unmold_boxes(
            detections, masks, image.shape, molded.image.shape, molded.window
        )
        full = paste_all(soft, boxes, image.shape, self.config.MASK_RESAMPLE, image)
        result = {"rois": boxes, "class_ids": class_ids, "scores": scores, "masks": full}
        return result | {"soft_masks": soft} if soft_masks else result
