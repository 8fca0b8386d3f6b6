"""Training steps built in several ways, timed in turn: see `training_step.py`."""

import argparse
import sys
import time
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from benchmarks.flops import graph_gflop
from mrcnn.config import Config
from mrcnn.data.anchor_matching import build_rpn_targets
from mrcnn.network import build as network
from mrcnn.network import heads, rpn
from mrcnn.network.build import build_model, pyramid_anchors
from mrcnn.network.graph_queries import PRESETS, set_trainable
from mrcnn.network.targets import DetectionTargetLayer
from mrcnn.training.step import SAMPLING_LAYER, TrainingStep, make_optimizer

INSTANCES = 6
POSITIVE_ROWS = "positive_rows"


def make_config(options: argparse.Namespace) -> Config:
    """Fourteen classes, 200 RoIs an image."""
    values = {
        "NAME": "benchmark",
        "BACKBONE": options.backbone,
        "NUM_CLASSES": 14,
        "IMAGES_PER_GPU": options.batch,
        "IMAGE_MIN_DIM": options.size,
        "IMAGE_MAX_DIM": options.size,
        "PRECISION": options.precision,
    }
    return type("BenchmarkConfig", (Config,), values)()


def make_batch(config: Config) -> list[np.ndarray]:
    """The seven inputs of a training model: noise, and six boxes an image."""
    rng = np.random.default_rng(0)
    count, shape, most = config.BATCH_SIZE, tuple(config.IMAGE_SHAPE), config.MAX_GT_INSTANCES
    anchors = pyramid_anchors(config, shape)
    class_ids, boxes = np.zeros((count, most), np.int32), np.zeros((count, most, 4), np.int32)
    class_ids[:, :INSTANCES] = rng.integers(1, config.NUM_CLASSES, (count, INSTANCES))
    corners = rng.integers(0, shape[0] // 2, (count, INSTANCES, 2))
    sides = rng.integers(shape[0] // 16, shape[0] // 2, (count, INSTANCES, 2))
    boxes[:, :INSTANCES] = np.concatenate([corners, corners + sides], axis=2)
    targets = [
        build_rpn_targets(shape, anchors, ids[:INSTANCES], part[:INSTANCES], config, rng)
        for ids, part in zip(class_ids, boxes, strict=True)
    ]
    metas = np.ones((count, config.IMAGE_META_SIZE), np.float32)
    metas[:, 1:7], metas[:, 7:11] = shape * 2, (0, 0, *shape[:2])
    return [
        rng.normal(0, 50, (count, *shape)).astype(np.float32),
        metas,
        np.stack([match for match, _ in targets])[..., None],
        np.stack([deltas for _, deltas in targets]).astype(np.float32),
        class_ids,
        boxes,
        np.ones((count, *config.MINI_MASK_SHAPE, most), bool),
    ]


def plain_convolution(filters: int, **options) -> keras.layers.Conv2D:
    """The RPN's with the usual gradient."""
    return keras.layers.Conv2D(filters, 3, padding="same", activation="relu", **options)


def plain_model(config: Config) -> keras.Model:
    """The training model without what makes its heads quick."""
    all_rois = property(lambda layer: layer.count)
    with (
        mock.patch.object(DetectionTargetLayer, "most_positives", all_rois),
        mock.patch.object(network, "PositiveRows", lambda **options: lambda rows: rows),
        mock.patch.object(heads, "WholeWindowConv2D", keras.layers.Conv2D),
        mock.patch.object(rpn, "SparseGradientConv2D", plain_convolution),
    ):
        return network.build_model("training", config)


class PlainStep(TrainingStep):
    """The usual step: the tape records whatever touches a variable that trains."""

    def _gradients(self, inputs):
        with tf.GradientTape() as tape:
            losses = self._losses(inputs, training=True)
            total = losses[0]
        variables = [v.value for v in self.trained]
        return losses, tape.gradient(total, variables, unconnected_gradients="zero")


def make_steps(options: argparse.Namespace, config: Config, models: dict, layers: str) -> dict:
    """A compiled step of each way; models are built when first wanted."""
    steps = {}
    for way in options.ways:
        name = "plain" if way == "plain" else "ours"
        if name not in models:
            build = plain_model if way == "plain" else lambda c: build_model("training", c)
            keras.utils.set_random_seed(options.seed)
            models[name] = build(config)
        set_trainable(models[name], PRESETS[layers])
        kind = PlainStep if way == "plain" else TrainingStep
        steps[way] = kind(
            models[name],
            make_optimizer("sgd", 1e-5, 0.9),
            loss_weights=config.LOSS_WEIGHTS,
            weight_decay=config.WEIGHT_DECAY,
        )
    return steps


def measure(options: argparse.Namespace) -> dict:
    """For each choice of layers and way: seconds of the processor and of the clock, and GFLOP."""
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(min(options.threads, 1))
    config, models, figures = make_config(options), {}, {}
    batch = make_batch(config)
    for layers in options.layers:
        steps = make_steps(options, config, models, layers)
        figures[layers] = {way: {"processor": [], "clock": []} for way in steps}
        for number in range(options.repeat + 1):
            for way, step in steps.items():
                clock, processor = time.perf_counter(), time.process_time()
                step.train(batch, number)
                seconds = time.process_time() - processor, time.perf_counter() - clock
                if number:  # the first compiles
                    figures[layers][way]["processor"].append(seconds[0])
                    figures[layers][way]["clock"].append(seconds[1])
                print(f"{layers} {number} {way} {seconds[1]:.2f} s", file=sys.stderr)
        for way, step in steps.items():
            figures[layers][way] |= {
                "gflop": step_gflop(step, batch),
                "mask_rows": mask_rows(step, batch),
            }
    return figures


def step_gflop(step: TrainingStep, batch: list[np.ndarray]) -> float:
    """Of a step on this very batch."""
    tensors = [tf.convert_to_tensor(x) for x in batch]
    graph = step._train.get_concrete_function(tensors).graph
    return graph_gflop(graph, mask_rows(step, batch) if _rows_vary(step) else 1)


def mask_rows(step: TrainingStep, batch: list[np.ndarray]) -> int:
    """Rows of the mask branch, of all images of the batch."""
    name, place = (POSITIVE_ROWS, 0) if _rows_vary(step) else (SAMPLING_LAYER, 1)
    class_ids = step.model.get_layer(name).output[place]
    return int(tf.size(keras.Model(step.model.inputs, class_ids)(batch, training=True)))


def _rows_vary(step: TrainingStep) -> bool:
    return POSITIVE_ROWS in {layer.name for layer in step.model.layers}
