"""The exported detector: the folded network, from a molded picture to final detections."""

import keras
import numpy as np
import tensorflow as tf

from mrcnn.config import Config
from mrcnn.export.photograph import (
    Resizing,
    anchors_graph,
    boxes_in_photograph,
    decode,
    full_masks,
    mold_graph,
)
from mrcnn.geometry.boxes import norm_boxes
from mrcnn.images.resizing import fixed_size
from mrcnn.inference.folding import DetectedRows, fold_inference
from mrcnn.inference.predictor import DETECTIONS, MASKS
from mrcnn.network.build import pyramid_anchors


class ExportedDetector(tf.Module):
    """`MaskRCNN.detect` for one image as a graph, with its own weights.

    Args:
        model: from `mrcnn.network.build.build_model("inference", ...)`.
        config: its configuration.
        portable, fixed_rows: see `exported_network`.
    """

    def __init__(
        self, model: keras.Model, config: Config, portable: bool = False, fixed_rows: bool = False
    ):
        super().__init__(name="mask_rcnn")
        network = exported_network(model, portable, fixed_rows)
        # Wrapped in a function, so that the weights are saved but not the Keras objects.
        self._parts = lambda: (network, config)
        self.network_weights = [weight.value for weight in network.weights]

    def detect(self, image: tf.Tensor, masks: str = "full") -> dict[str, tf.Tensor]:
        """Detections of a photograph.

        Args:
            image: uint8 RGB `[height, width, 3]`.
            masks: 'full' or 'mini'.

        Returns:
            `boxes` int32 `[N, (y1, x1, y2, x2)]` in pixels of the photograph, exclusive at y2/x2;
            `class_ids` int32 `[N]`; `scores` float32 `[N]`, descending; and `masks` bool
            `[N, height, width]`, or `mini_masks` float32 `[N, h, w]`, the probabilities within
            each box.
        """
        _, config = self._parts()
        molded, window = mold_graph(image, Resizing.of_config(config), config.MEAN_PIXEL)
        molded_size, size = self._size(molded), tf.shape(image)[:2]
        detections, all_masks = self._run(molded, window, molded_size)
        boxes = boxes_in_photograph(detections[:, :4], window, molded_size, size)
        has_area = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        place = tf.where((detections[:, 4] > 0) & has_area)[:, 0]
        detections, boxes = tf.gather(detections, place), tf.gather(boxes, place)
        class_ids = tf.cast(detections[:, 4], tf.int32)
        own = _own_masks(all_masks, tf.cast(place, tf.int32), class_ids)
        found = {"boxes": boxes, "class_ids": class_ids, "scores": detections[:, 5]}
        if masks == "mini":
            return found | {"mini_masks": own}
        aligned = config.MASK_RESAMPLE in ("aligned", "guided")
        return found | {"masks": full_masks(own, boxes, size, aligned)}

    def detect_molded(self, image: tf.Tensor, window: tf.Tensor) -> dict[str, tf.Tensor]:
        """Detections of a photograph resized to the network's size; all shapes are fixed.

        Args:
            image: uint8 or float32 RGB `[height, width, 3]`, grey levels 0 to 255, zeros around the
                photograph.
            window: int32 `[4]`, the photograph's position in it, `(y1, x1, y2, x2)` in pixels.

        Returns:
            Like `detect`, each with DETECTION_MAX_INSTANCES rows; those from `count`, an int32
            scalar, on are padding. `boxes` are float32, in pixels of the given image. Masks are
            `mini_masks`.
        """
        _, config = self._parts()
        molded = tf.cast(image, tf.float32) - tf.constant(config.MEAN_PIXEL, tf.float32)
        molded_size = self._size(molded)
        detections, all_masks = self._run(molded, window, molded_size)
        class_ids = tf.cast(detections[:, 4], tf.int32)
        scale = tf.tile(tf.cast(molded_size, tf.float32) - 1.0, [2])
        boxes = detections[:, :4] * scale + tf.constant([0.0, 0.0, 1.0, 1.0])
        rows = tf.range(config.DETECTION_MAX_INSTANCES)
        return {
            "boxes": boxes,
            "class_ids": class_ids,
            "scores": detections[:, 5],
            "mini_masks": _own_masks(all_masks, rows, class_ids),
            "count": tf.reduce_sum(tf.cast(class_ids > 0, tf.int32)),
        }

    def _size(self, molded):
        config = self._parts()[1]
        if size := fixed_size(config):
            return tf.constant(size, tf.int32)
        return tf.shape(molded)[:2]

    def _run(self, molded, window, molded_size):
        """Detections `[n, 6]` and masks `[rows, h, w, classes]` of one molded image."""
        network, config = self._parts()
        if fixed := fixed_size(config):
            anchors = tf.constant(norm_boxes(pyramid_anchors(config, fixed), fixed), tf.float32)
        else:
            anchors = anchors_graph(config, molded_size)
        # The network uses only the molded size and the window from the meta vector.
        size = tf.cast(molded_size, tf.float32)
        others = np.zeros(config.NUM_CLASSES + 1, np.float32)
        parts = [np.zeros(4, np.float32), size, [config.IMAGE_CHANNEL_COUNT]]
        parts += [tf.cast(window, tf.float32), others]
        meta = tf.concat([tf.cast(part, tf.float32) for part in parts], axis=0)
        detections, masks = network([molded[None], meta[None], anchors[None]], training=False)
        return tf.cast(detections[0], tf.float32), tf.cast(masks[0], tf.float32)

    def image_function(self, masks: str = "full") -> "tf.types.experimental.PolymorphicFunction":
        """`detect` as a `tf.function` of an image of any size."""
        spec = tf.TensorSpec([None, None, 3], tf.uint8, name="image")
        return _function(lambda image: self.detect(image, masks), spec)

    def encoded_function(self) -> "tf.types.experimental.PolymorphicFunction":
        """`detect` as a `tf.function` of the bytes of a JPEG or PNG file."""
        spec = tf.TensorSpec([], tf.string, name="encoded")
        return _function(lambda encoded: self.detect(decode(encoded)), spec)

    def molded_function(self) -> "tf.types.experimental.PolymorphicFunction":
        """`detect_molded` as a `tf.function`."""
        height, width = fixed_size(self._parts()[1]) or (None, None)
        image = tf.TensorSpec([height, width, 3], tf.float32, name="image")
        window = tf.TensorSpec([4], tf.int32, name="window")
        return _function(self.detect_molded, image, window)


def _function(python_function, *specs):
    # AutoGraph has nothing to rewrite here.
    return tf.function(python_function, input_signature=specs, autograph=False)


def _own_masks(masks, rows, class_ids):
    """Select from masks `[n, h, w, classes]` each given row's mask of its class: `[rows, h, w]`."""
    height, width, classes = masks.shape[1:]
    by_class = tf.reshape(tf.transpose(masks, [0, 3, 1, 2]), [-1, height, width])
    return tf.gather(by_class, rows * classes + class_ids)


def exported_network(
    model: keras.Model, portable: bool = False, fixed_rows: bool = False
) -> keras.Model:
    """A network for deployment, with its own weights where convolutions are folded.

    Args:
        model: from `mrcnn.network.build.build_model("inference", ...)`.
        portable: use the layers of `mrcnn.export.portable_layers`, which other runtimes can run,
            for one image of a known size.
        fixed_rows: always return masks for DETECTION_MAX_INSTANCES rows.

    Returns:
        A model from `[image, meta, anchors]` to `[detections [batch, n, 6], masks
        [batch, rows, h, w, classes]]`, as returned by `Predictor.run_detection`.
    """
    from mrcnn.export.portable_layers import PORTABLE, AllRows

    changed = dict(PORTABLE) if portable else {}

    def exported(layer):
        name = layer.name
        if fixed_rows and isinstance(layer, DetectedRows):
            return AllRows(name=name)
        if type(layer) in changed:
            return changed[type(layer)](layer, name=name)
        return layer

    folded = fold_inference(model)
    wanted = keras.Model(folded.inputs, [folded.outputs[DETECTIONS], folded.outputs[MASKS]])
    # Every layer is called again, so that replacements take effect.
    return keras.models.clone_model(
        wanted,
        clone_function=exported,
        call_function=lambda layer, *args, **kwargs: layer(*args, **kwargs),
    )
