#!/usr/bin/env python3
"""Time a training step, all of it: losses, gradients, update of the weights.

    python3 benchmarks/training_step.py
    python3 benchmarks/training_step.py --size 256 --repeat 5 --layers heads --json steps.json

Random weights and boxes. The ways are timed in turn, in one run, so that ratios hold on a machine
that does other things too; the table is in seconds of the processor with one thread (several spin
while they wait, which counts, too). The JSON has those of the clock as well.

    plain     as such networks are written: the mask branch on all RoIs, the class head's 7 x 7
              convolution as such, batch norms by themselves, all trainable variables recorded
    step      what training runs
    folded    the same with batch norms at fixed statistics within the convolutions (fold=True)
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import keras
import numpy as np
import tensorflow as tf

from mrcnn import heads, network
from mrcnn.config import Config
from mrcnn.layer_selection import PRESETS, set_trainable
from mrcnn.network import build_model, pyramid_anchors
from mrcnn.rpn_targets import build_rpn_targets
from mrcnn.targets import DetectionTargetLayer
from mrcnn.training_step import TrainingStep, make_optimizer

WAYS = ("plain", "step", "folded")
INSTANCES = 6


def parse_arguments() -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--backbone", choices=["resnet50", "resnet101"], default="resnet50")
    add("--size", type=int, default=512, help="side of the molded image (%(default)s)")
    add("--batch", type=int, default=2, help="images (%(default)s)")
    add("--layers", nargs="+", choices=list(PRESETS), default=["heads", "all"])
    add("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    add("--precision", choices=["float32", "bfloat16", "auto"], default="float32")
    add("--threads", type=int, default=1, help="of TensorFlow; 0: one a core (%(default)s)")
    add("--repeat", type=int, default=5, help="(%(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args()


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


def plain_model(config: Config) -> keras.Model:
    """The training model without what makes its heads quick."""
    all_rois = property(lambda layer: layer.count)
    with (
        mock.patch.object(DetectionTargetLayer, "most_positives", all_rois),
        mock.patch.object(heads, "WholeWindowConv2D", keras.layers.Conv2D),
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
            models[name] = build(config)
        set_trainable(models[name], PRESETS[layers])
        kind = PlainStep if way == "plain" else TrainingStep
        steps[way] = kind(
            models[name],
            make_optimizer("sgd", 1e-5, 0.9),
            loss_weights=config.LOSS_WEIGHTS,
            weight_decay=config.WEIGHT_DECAY,
            fold=way == "folded",
        )
    return steps


def measure(options: argparse.Namespace) -> dict:
    """For each choice of layers and way: seconds of the processor and of the clock, in lists."""
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
                print(f"{layers} {number} {way} {seconds[0]:.2f} s", file=sys.stderr)
    return figures


def main() -> int:
    """Measure and print."""
    options = parse_arguments()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(min(options.threads, 1))
    figures = measure(options)
    print(
        f"{options.backbone}, {options.size} x {options.size}, batch {options.batch}, "
        f"{options.precision}; seconds of the processor a step:"
    )
    for layers, ways in figures.items():
        print(f"{layers:8}{'median':>9}{'least':>8}{'most':>8}{'times faster':>14}")
        base = statistics.median(ways[options.ways[0]]["processor"])
        for way, seconds in ways.items():
            values = seconds["processor"]
            middle = statistics.median(values)
            spread = f"{min(values):8.2f}{max(values):8.2f}"
            print(f"  {way:6}{middle:9.2f}{spread}{base / middle:14.2f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
