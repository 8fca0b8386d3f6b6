#!/usr/bin/env python3
"""Time torchvision's Mask R-CNN (ResNet-50) on noise: detection and a training step.

    python3 benchmarks/torchvision_times.py --size 1024 --train-size 512 --json torchvision.json

For comparison only: another network of the same family, with random weights, 14 classes, and
`--instances` detections. Needs torch and torchvision, which are no part of this project; without
them it says so and ends with exit code 2.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

CLASSES = 14


def parse_arguments(arguments=None) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--size", type=int, default=1024, help="side of the image (%(default)s)")
    add("--train-size", type=int, default=512, help="side in training (%(default)s)")
    add("--instances", type=int, default=10, help="detections (%(default)s)")
    add("--batch", type=int, default=2, help="images of a training step (%(default)s)")
    add("--repeat", type=int, default=5, help="(%(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args(arguments)


def make_model(size: int, instances: int):
    """Of images that keep their size."""
    import torchvision

    return torchvision.models.detection.maskrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=CLASSES,
        min_size=size,
        max_size=size,
        box_score_thresh=0.0,
        box_detections_per_img=instances,
    )


def timed(run, repeat: int) -> list[float]:
    """Seconds of each call after the first."""
    run()
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return seconds


def time_detection(options: argparse.Namespace) -> list[float]:
    """Of one image, masks pasted."""
    import torch

    model = make_model(options.size, options.instances).eval()
    image = torch.rand(3, options.size, options.size)
    with torch.inference_mode():
        return timed(lambda: model([image]), options.repeat)


def time_training(options: argparse.Namespace) -> list[float]:
    """Forward, backward and update of all layers, six boxes an image."""
    import torch

    model = make_model(options.train_size, options.instances).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9)
    size, batch = options.train_size, range(options.batch)
    generator = torch.Generator().manual_seed(0)
    corners = torch.randint(0, size // 2, (6, 2), generator=generator)
    sides = torch.randint(size // 16, size // 2, (6, 2), generator=generator)
    target = {
        "boxes": torch.cat([corners, corners + sides], dim=1).float(),
        "labels": torch.randint(1, CLASSES, (6,), generator=generator),
        "masks": torch.ones(6, size, size, dtype=torch.uint8),
    }
    images = [torch.rand(3, size, size, generator=generator) for _ in batch]

    def step():
        optimizer.zero_grad()
        sum(model(images, [dict(target) for _ in batch]).values()).backward()
        optimizer.step()

    return timed(step, options.repeat)


def main(arguments=None) -> int:
    """Measure and print."""
    options = parse_arguments(arguments)
    try:
        import torchvision
    except (ImportError, RuntimeError) as error:
        print(f"torchvision cannot be imported ({error}).", file=sys.stderr)
        return 2
    figures = {"version": torchvision.__version__, "seconds": {}}
    for name, measure in (("detect", time_detection), ("training step", time_training)):
        figures["seconds"][name] = values = measure(options)
        middle, least, most = statistics.median(values), min(values), max(values)
        print(f"{name:14}{middle:8.2f} s ({least:.2f} to {most:.2f})")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
