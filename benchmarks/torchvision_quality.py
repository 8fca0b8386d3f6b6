#!/usr/bin/env python3
"""Train torchvision's Mask R-CNN on street photographs as the preset `photo` is, and measure both.

    python3 benchmarks/torchvision_quality.py --data DIR --output OUT --steps 600

DIR holds train/ and val/, as the first stage of tools/make_photo_weights.py writes them. Both
networks begin with ImageNet's weights of EfficientNet-Lite2 and see the same batches in the same
order: the pictures, jitter and rare photographs of the preset. Both train the same layers at the
same rates with Adam, and average the weights over training. torchvision keeps its own layers,
losses and masks of 28 x 28; its levels get the batch norms that ours have, without which a pyramid
on this backbone does not learn. Printed are the figures on val of each, without calibration.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks.networks import with_torchvision
from fashion.json_files import read_json, write_json
from fashion.terminal import run, text_table

WAYS = ("ours", "torchvision")
BACKBONE = "efficientnet-lite2"
LEVEL_CHANNELS = (24, 48, 120, 352)  # of C2 to C5
FIGURES = ("box_AP50", "mask_AP50", "mask_AP", "person_mask_IoU")


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="DIR", help="holds train/ and val/")
    add("--output", type=Path, required=True, metavar="OUT", help="folder for weights and figures")
    add("--steps", type=int, default=600, metavar="N", help="batches of four (%(default)s)")
    add("--seed", type=int, default=1, metavar="N", help="(%(default)s)")
    add("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    return parser.parse_args(arguments)


def settings(options: argparse.Namespace) -> dict:
    """What differs from the preset: one epoch of so many steps."""
    return {"STEPS_PER_EPOCH": options.steps, "VALIDATION_STEPS": 1}


def train_ours(options: argparse.Namespace) -> dict:
    """Our figures on val after as many steps; seconds of training per step."""
    from fashion.photo.training import PhotoTraining, measure_photo, train_photo

    logs, begin = options.output / "ours", time.perf_counter()
    plan = PhotoTraining(
        [options.data / "train"],
        options.data / "val",
        logs,
        epochs=1,
        seed=options.seed,
        overrides=tuple(settings(options).items()),
    )
    weights = train_photo(plan)
    seconds = (time.perf_counter() - begin) / options.steps
    measure_photo(weights, plan.validation, 0.7, logs / "figures.json")
    return {**read_json(logs / "figures.json"), "seconds": seconds}


def train_torchvision(options: argparse.Namespace) -> dict:
    """The figures of torchvision's network on val; seconds of training per step."""
    import torch

    from fashion.photo.figures import detect_for_figures, summary
    from fashion.photo.training import load_photographs
    from mrcnn.data.augmentation import augmentation_preset
    from mrcnn.data.loader import BatchLoader
    from mrcnn.data.pass_order import class_balance
    from mrcnn.training.learning_rate import LearningRate

    torch.manual_seed(options.seed)
    dataset, config = load_photographs([options.data / "train"]), photo_config(options)
    model = make_model(config)
    average = torch.optim.swa_utils.AveragedModel(
        model, avg_fn=moving_average(config.WEIGHTS_AVERAGE), use_buffers=True
    )
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained)
    rate = LearningRate.of_config(config, config.LEARNING_RATE, 0, 1)
    loader = BatchLoader(
        dataset,
        config,
        batch_size=config.BATCH_SIZE,
        augmentation=augmentation_preset("flip"),
        seed=options.seed,
        repeat_factors=class_balance(dataset, config).factors,
    )
    begin = time.perf_counter()
    with loader:
        for step, _, batch in loader.stream(0, options.steps):
            for group in optimizer.param_groups:
                group["lr"] = rate(step)
            optimizer.zero_grad()
            losses = model(*as_torch(batch))
            sum(losses.values()).backward()
            torch.nn.utils.clip_grad_norm_(trained, config.GRADIENT_CLIP_NORM)
            optimizer.step()
            average.update_parameters(model)
            if step % 20 == 0:
                text = ", ".join(
                    f"{name} {float(loss.detach()):.3f}" for name, loss in losses.items()
                )
                print(f"{step}: {(time.perf_counter() - begin):.0f} s, {text}", flush=True)
    seconds = (time.perf_counter() - begin) / options.steps
    folder = options.output / "torchvision"
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(average.module.state_dict(), folder / "weights.pt")
    detect = detector(average.module.eval(), config)
    found = detect_for_figures(load_photographs([options.data / "val"]), detect)
    return {**summary(*found, 0.7), "seconds": seconds}


def moving_average(decay: float):
    """Our average of the weights: early on it is not dominated by the initial ones."""

    def average(before, new, updates):
        updates = int(updates)
        return before + (new - before) * (1 - min(decay, (1 + updates) / (10 + updates)))

    return average


def photo_config(options: argparse.Namespace):
    """The preset's Config, with the settings of this comparison."""
    from fashion.labels import PHOTO_TABLE
    from fashion.stages.presets import make_config

    values = settings(options)
    return make_config("photo", "photo", 1 + len(PHOTO_TABLE), SEED=options.seed, **values)


def make_model(config):
    """torchvision's network with ImageNet's weights; what the preset does not train is frozen."""
    from torch import nn

    from benchmarks.training import freeze_as_preset, torchvision_model

    model = torchvision_model(argparse.Namespace(network="photo"), config)
    body = model.backbone.body
    load_imagenet(body)
    freeze_as_preset(model)
    model.backbone.body = with_norms(body, LEVEL_CHANNELS)
    for module in body.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-3  # of the networks that produced the weights
    # Pictures come scaled and padded.
    model.transform.image_mean, model.transform.image_std = [0.0] * 3, [1.0] * 3
    roi_heads = model.roi_heads
    roi_heads.score_thresh, roi_heads.nms_thresh = 0.05, config.DETECTION_NMS_THRESHOLD
    roi_heads.detections_per_img = config.DETECTION_MAX_INSTANCES
    model.rpn._pre_nms_top_n["testing"] = config.PRE_NMS_LIMIT
    model.rpn._post_nms_top_n["testing"] = config.POST_NMS_ROIS_INFERENCE
    return model.train()


def load_imagenet(body) -> None:
    """Give the backbone the weights of the Python package, which lists layers in the same order."""
    import torch

    from mrcnn.weights.efficientnet_weights import package_file
    from mrcnn.weights.pytorch_file import read_tensors

    tensors = read_tensors(package_file(BACKBONE))
    own = {name: value for name, value in body.state_dict().items() if value.ndim}
    theirs = [value for name, value in tensors.items() if np.ndim(value)]
    theirs = theirs[: len(own)]  # without the classifier
    if [tuple(v.shape) for v in own.values()] != [v.shape for v in theirs]:
        raise SystemExit("the package's layers are not those of torchvision's network")
    values = (torch.from_numpy(np.array(value)) for value in theirs)
    body.load_state_dict(dict(zip(own, values, strict=True)), strict=False)


def with_norms(body, channels):
    """The backbone's levels, each through a batch norm of its own, as in our network."""
    from torch import nn

    class Levels(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = body
            self.norms = nn.ModuleList(nn.BatchNorm2d(count, eps=1e-3) for count in channels)

        def train(self, mode=True):
            super().train(mode)
            for level in ("0", "1", "2"):  # frozen, like their statistics
                self.body[level].eval()
            return self

        def forward(self, images):
            levels = self.body(images)
            return {
                name: norm(level)
                for (name, level), norm in zip(levels.items(), self.norms, strict=True)
            }

    return Levels()


def as_torch(batch: list[np.ndarray]) -> tuple[list, list[dict]]:
    """A batch of our loader as torchvision's pictures and targets."""
    import torch

    from mrcnn.geometry.masks import expand_mask

    images, targets = [], []
    for image, ids, boxes, masks in zip(batch[0], *batch[4:7], strict=True):
        images.append(torch.from_numpy(image / 128).permute(2, 0, 1).float())
        real = ids > 0
        full = expand_mask(boxes[real], masks[..., real].astype(float), image.shape)
        targets.append(
            {
                "boxes": torch.from_numpy(boxes[real][:, [1, 0, 3, 2]]).float(),
                "labels": torch.from_numpy(ids[real]).long(),
                "masks": torch.from_numpy(np.moveaxis(full, -1, 0).astype(np.uint8)),
            }
        )
    return images, targets


def detector(model, config):
    """A function from a picture to a result like that of `MaskRCNN.detect`."""
    import cv2
    import torch

    from mrcnn.images.molding import mold_image
    from mrcnn.images.resizing import resize_to_config

    def detect(picture: np.ndarray) -> dict:
        resized, window, *_ = resize_to_config(picture, config)
        y1, x1, y2, x2 = window
        molded = torch.from_numpy(mold_image(resized, config) / 128).permute(2, 0, 1).float()
        with torch.no_grad():
            (found,) = model([molded])
        parts = found["masks"][:, 0, y1:y2, x1:x2].numpy()
        size = picture.shape[1::-1]
        masks = [cv2.resize(part, size, interpolation=cv2.INTER_LINEAR) > 0.5 for part in parts]
        stacked = np.stack(masks, -1) if masks else np.zeros((*picture.shape[:2], 0), bool)
        kept = stacked.any((0, 1))
        scale = np.array([size[1] / (y2 - y1), size[0] / (x2 - x1)] * 2)
        boxes = (found["boxes"].numpy()[:, [1, 0, 3, 2]] - [y1, x1, y1, x1]) * scale
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        return {
            "rois": np.rint(boxes[kept]).astype(np.int32),
            "class_ids": found["labels"].numpy()[kept].astype(np.int32),
            "scores": found["scores"].numpy()[kept],
            "masks": stacked[..., kept],
        }

    return detect


def main(arguments: list[str] | None = None) -> int:
    """Train, measure and print."""
    options = parse_arguments(arguments)
    # Before TensorFlow: importing some builds of torch after it ends the process.
    if "torchvision" in options.ways and not with_torchvision():
        options.ways.remove("torchvision")
    options.output.mkdir(parents=True, exist_ok=True)
    for way in options.ways:
        kept = options.output / f"{way}.json"
        if not kept.exists():
            write_json(kept, {"ours": train_ours, "torchvision": train_torchvision}[way](options))
    rows = []
    for way in options.ways:
        figures = read_json(options.output / f"{way}.json")
        numbers = [f"{figures[name]:.3f}" for name in FIGURES]
        rows.append([way, *numbers, f"{figures['seconds']:.2f}"])
    print(text_table(("", *FIGURES, "s per step"), rows))
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
