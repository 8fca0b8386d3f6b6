#!/usr/bin/env python3
"""Time a whole training step: losses, gradients, update of the weights.

    python3 benchmarks/training.py
    python3 benchmarks/training.py --network resnet50 --size 512 --batch 2 --layers heads all

Noise and made-up boxes. All ways are timed in turn, in one run; seconds are wall time, and the JSON
also has processor time, which includes threads that spin while they wait.

    plain         as such networks usually are: the mask branch on all RoIs, the class head's 7 x 7
                  convolution as such, separate batch norms, all trainable variables recorded
    step          what training runs
    torchvision   its Mask R-CNN of the same backbone, input, batch, anchors, RoIs and head widths,
                  if it is installed (for `photo`: EfficientNet-B2 without what Lite2
                  leaves out; its masks are 28 x 28 where ours are 56 x 56 with MASK_DETAIL, unless
                  --same-masks is given)

`preset` among the --layers means those that the preset trains; torchvision trains the same. How
many rows the mask branch has depends on what the random RPN proposes: few with most seeds, some 100
with --network resnet50 --seed 7. GFLOP are those of convolutions and matrix products on the batch
at hand; the peak is measured in the same run.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks.networks import TRAINED, add_arguments, config_of, with_torchvision

WAYS = ("plain", "step", "torchvision")
LAYERS = ("heads", "3+", "4+", "5+", "all", "preset")
INSTANCES = 6


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser, "photo", 512)
    add = parser.add_argument
    add("--batch", type=int, help="pictures (default: the preset's, 2 for a ResNet)")
    add("--layers", nargs="+", choices=LAYERS, help="(default: preset, or heads and all)")
    add("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    add("--same-masks", action="store_true", help="of 28 x 28 without detail, as torchvision's")
    add("--precision", choices=["float32", "bfloat16", "auto"], default="float32")
    add("--seed", type=int, default=0, help="of the weights (%(default)s)")
    options = parser.parse_args(arguments)
    preset = options.network in TRAINED
    options.layers = options.layers or (["preset"] if preset else ["heads", "all"])
    if not preset and "preset" in options.layers:
        parser.error(f"--layers preset: {options.network} is no preset")
    return options


def make_batch(config) -> list[np.ndarray]:
    """The seven inputs of a training model: noise, and six boxes per picture."""
    from mrcnn.data.anchor_matching import build_rpn_targets
    from mrcnn.network.build import pyramid_anchors

    rng = np.random.default_rng(0)
    count, shape, most = config.BATCH_SIZE, tuple(config.IMAGE_SHAPE), config.MAX_GT_INSTANCES
    anchors = pyramid_anchors(config, shape)
    class_ids, boxes = np.zeros((count, most), np.int32), np.zeros((count, most, 4), np.int32)
    class_ids[:, :INSTANCES] = rng.integers(1, config.NUM_CLASSES, (count, INSTANCES))
    half = np.array(shape[:2]) // 2
    corners = rng.integers(0, half, (count, INSTANCES, 2))
    sides = rng.integers(half // 8, half, (count, INSTANCES, 2))
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


def plain_model(config):
    """The training model without what makes its heads fast."""
    import keras

    from mrcnn.network import build, heads, rpn
    from mrcnn.network.targets import DetectionTargetLayer

    def convolution(filters, **options):
        return keras.layers.Conv2D(filters, 3, padding="same", activation="relu", **options)

    all_rois = property(lambda layer: layer.count)
    with (
        mock.patch.object(DetectionTargetLayer, "most_positives", all_rois),
        mock.patch.object(build, "PositiveRows", lambda **options: lambda rows: rows),
        mock.patch.object(heads, "WholeWindowConv2D", keras.layers.Conv2D),
        mock.patch.object(rpn, "SparseGradientConv2D", convolution),
    ):
        return build.build_model("training", config)


def our_step(model, config, layers: str, plain: bool):
    """A compiled step; the plain one records whatever touches a variable that trains."""
    import tensorflow as tf

    from mrcnn.network.graph_queries import PRESETS, set_trainable
    from mrcnn.training.step import TrainingStep, make_optimizer

    class PlainStep(TrainingStep):
        def _gradients(self, inputs):
            with tf.GradientTape() as tape:
                losses = self._losses(inputs, training=True)
                total = losses[0]
            variables = [v.value for v in self.trained]
            return losses, tape.gradient(total, variables, unconnected_gradients="zero")

    set_trainable(model, PRESETS.get(layers, layers))
    return (PlainStep if plain else TrainingStep)(
        model,
        make_optimizer("sgd", 1e-5, 0.9),
        loss_weights=config.LOSS_WEIGHTS,
        weight_decay=config.WEIGHT_DECAY,
    )


def measure(options: argparse.Namespace) -> dict:
    """For each choice of layers and way: seconds of the clock and of the processor, and GFLOP."""
    # Before TensorFlow: importing some builds of torch after it ends the process.
    ways = [w for w in options.ways if w != "torchvision" or with_torchvision()]
    import keras

    from benchmarks.flops import peak_gflops
    from mrcnn.network.build import build_model

    values: dict = {"PRECISION": options.precision}
    if options.batch or options.network not in TRAINED:
        values["IMAGES_PER_GPU"] = options.batch or 2
    if options.same_masks:
        values |= {"MASK_SHAPE": [28, 28], "MINI_MASK_SHAPE": (56, 56), "MASK_DETAIL": False}
    config, models = config_of(options, inference=False, **values), {}
    batch, figures = make_batch(config), {}
    for layers in options.layers:
        pattern = preset_layers(options) if layers == "preset" else layers
        runs: dict[str, Callable] = {}
        steps = {}
        for way in ways:
            if way == "torchvision":
                runs[way] = torchvision_step(options, config, batch, layers)
                continue
            if way not in models:
                keras.utils.set_random_seed(options.seed)
                make = plain_model if way == "plain" else lambda c: build_model("training", c)
                models[way] = make(config)
            steps[way] = our_step(models[way], config, pattern, plain=way == "plain")
            runs[way] = lambda number, step=steps[way]: step.train(batch, number)
        figures[layers] = time_in_turn(runs, options.repeat)
        for way, step in steps.items():
            rows = mask_rows(step, batch)
            figures[layers][way] |= {"gflop": step_gflop(step, batch, rows), "mask_rows": rows}
    peak = peak_gflops("bfloat16" if options.precision == "bfloat16" else "float32")
    return {"layers": figures, "peak_gflops": peak}


def preset_layers(options: argparse.Namespace) -> str:
    """The layers that the preset trains, by name or pattern."""
    from fashion.stages.presets import find_preset

    return find_preset(options.network).layers


def time_in_turn(runs: dict[str, Callable], repeat: int) -> dict[str, dict]:
    """Seconds of each way in each round; the first round, which compiles, is not counted."""
    seconds: dict = {way: {"clock": [], "processor": []} for way in runs}
    for number in range(repeat + 1):
        for way, run in runs.items():
            clock, processor = time.perf_counter(), time.process_time()
            run(number)
            if number:
                seconds[way]["processor"].append(time.process_time() - processor)
                seconds[way]["clock"].append(time.perf_counter() - clock)
    return seconds


def step_gflop(step, batch: list[np.ndarray], rows: int) -> float:
    """The GFLOP of a step on this batch."""
    import tensorflow as tf

    from benchmarks.flops import graph_gflop

    tensors = [tf.convert_to_tensor(x) for x in batch]
    return graph_gflop(step._train.get_concrete_function(tensors).graph, rows)


def mask_rows(step, batch: list[np.ndarray]) -> int:
    """Rows of the mask branch, of all pictures of the batch."""
    import keras
    import tensorflow as tf

    from mrcnn.training.step import SAMPLING_LAYER

    names = {layer.name for layer in step.model.layers}
    name, place = ("positive_rows", 0) if "positive_rows" in names else (SAMPLING_LAYER, 1)
    class_ids = step.model.get_layer(name).output[place]
    return int(tf.size(keras.Model(step.model.inputs, class_ids)(batch, training=True)))


def torchvision_step(options, config, batch: list[np.ndarray], layers: str) -> Callable:
    """torchvision's step on the same boxes: forward, backward, update."""
    import torch

    torch.manual_seed(options.seed)
    model = torchvision_model(options, config).train()
    if layers == "preset" and options.network == "photo":
        freeze_as_preset(model)
    elif layers == "heads":
        model.backbone.body.requires_grad_(False)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=1e-6, momentum=0.9)
    images = [torch.from_numpy(x).permute(2, 0, 1) / 255 for x in batch[0]]
    height, width = batch[0].shape[1:3]
    targets = [
        {
            "boxes": torch.from_numpy(boxes[:INSTANCES, [1, 0, 3, 2]]).float(),
            "labels": torch.from_numpy(ids[:INSTANCES]).long(),
            "masks": torch.ones(INSTANCES, height, width, dtype=torch.uint8),
        }
        for ids, boxes in zip(batch[4], batch[5], strict=True)
    ]

    def step(number):
        optimizer.zero_grad()
        sum(model(images, [dict(target) for target in targets]).values()).backward()
        optimizer.step()

    return step


def torchvision_model(options, config):
    """torchvision's Mask R-CNN with the settings of a Config."""
    from torchvision.models import detection, efficientnet_b2
    from torchvision.models.detection.backbone_utils import BackboneWithFPN, resnet_fpn_backbone

    if options.network == "photo":
        features = efficientnet_b2(weights=None).features[:8]
        for end in (1, 7):  # Lite2 does not repeat the first and the last block
            features[end] = features[end][:1]
        _as_lite(features)
        levels = {"2": "0", "3": "1", "5": "2", "7": "3"}  # strides 4, 8, 16 and 32
        depth = config.TOP_DOWN_PYRAMID_SIZE
        backbone = BackboneWithFPN(features, levels, [24, 48, 120, 352], depth)
    elif options.network == "demo":
        raise SystemExit("torchvision has no backbone like that of demo: choose other --ways")
    else:
        backbone = resnet_fpn_backbone(
            backbone_name=options.network, weights=None, trainable_layers=5
        )
    depth, scales = backbone.out_channels, config.RPN_ANCHOR_SCALES
    ratios = (tuple(config.RPN_ANCHOR_RATIOS),) * len(scales)
    anchors = detection.anchor_utils.AnchorGenerator(tuple((s,) for s in scales), ratios)
    classes, mask_depth = config.NUM_CLASSES, config.MASK_HEAD_CHANNELS
    box_width = config.FPN_CLASSIF_FC_LAYERS_SIZE
    height, width = config.IMAGE_SHAPE[:2]
    return detection.MaskRCNN(
        backbone,
        min_size=int(min(height, width)),
        max_size=int(max(height, width)),
        rpn_anchor_generator=anchors,
        rpn_pre_nms_top_n_train=config.PRE_NMS_LIMIT,
        rpn_post_nms_top_n_train=config.POST_NMS_ROIS_TRAINING,
        rpn_batch_size_per_image=config.RPN_TRAIN_ANCHORS_PER_IMAGE,
        box_batch_size_per_image=config.TRAIN_ROIS_PER_IMAGE,
        box_positive_fraction=config.ROI_POSITIVE_RATIO,
        box_head=detection.faster_rcnn.TwoMLPHead(depth * 49, box_width),
        box_predictor=detection.faster_rcnn.FastRCNNPredictor(box_width, classes),
        mask_head=detection.mask_rcnn.MaskRCNNHeads(depth, (mask_depth,) * 4, 1),
        mask_predictor=detection.mask_rcnn.MaskRCNNPredictor(mask_depth, mask_depth, classes),
    )


def _as_lite(module) -> None:
    """Use ReLU6 instead of swish, and leave out squeeze and excitation."""
    from torch import nn
    from torchvision.ops import SqueezeExcitation

    for name, child in module.named_children():
        if isinstance(child, SqueezeExcitation):
            setattr(module, name, nn.Identity())
        elif isinstance(child, nn.SiLU):
            setattr(module, name, nn.ReLU6(inplace=True))
        else:
            _as_lite(child)


def freeze_as_preset(model) -> None:
    """Freeze the stem, the first levels and all depthwise kernels, as the preset `photo` does."""
    from torch import nn

    body = model.backbone.body
    for level in ("0", "1", "2"):
        body[level].requires_grad_(False)
    for module in body.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            module.requires_grad_(False)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    options = parse_arguments(arguments)
    figures = measure(options)
    peak = figures["peak_gflops"]
    print(f"{options.network}, {options.precision}; peak {peak:.0f} GFLOP/s; seconds a step:")
    for layers, ways in figures["layers"].items():
        print(f"{layers:13}{'median':>9}{'least':>8}{'most':>8}{'times faster':>14}"
              f"{'GFLOP':>9}{'GFLOP/s':>9}{'mask rows':>11}")  # fmt: skip
        base = statistics.median(ways[next(iter(ways))]["clock"])
        for way, found in ways.items():
            values = found["clock"]
            middle = statistics.median(values)
            line = f"  {way:11}{middle:9.2f}{min(values):8.2f}{max(values):8.2f}"
            line += f"{base / middle:14.2f}"
            if "gflop" in found:
                rate = found["gflop"] / middle
                line += f"{found['gflop']:9.0f}{rate:9.0f}{found['mask_rows']:11}"
            print(line)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
