#!/usr/bin/env python3
"""Time detection: the graph as it is and the folded graph.

    python3 benchmarks/inference.py
    python3 benchmarks/inference.py --backbone resnet50 --size 512 --repeat 5 --json inference.json

Random weights, whose confidence is set so that each image has --instances detections. The ways are
timed in turn, in one run, so that ratios hold on a machine that does other things too:

    whole     the seven outputs, 100 mask rows, batch norms by themselves; masks pasted
    detect    MaskRCNN.detect: batch norms within convolutions, mask rows as detected; masks pasted
    fit64     the same with IMAGE_RESIZE_MODE = "fit64": no padding to a square
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from mrcnn.config import Config

WAYS = ("whole", "detect", "fit64")


def parse_arguments(arguments=None, description: str | None = __doc__) -> argparse.Namespace:
    """The command line of the benchmarks of detection, described by their docstrings."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--backbone", choices=["resnet50", "resnet101"], default="resnet101")
    add("--size", type=int, default=1024, help="side of the molded image (%(default)s)")
    add("--photograph", type=int, nargs=2, default=(600, 400), metavar=("HEIGHT", "WIDTH"))
    add("--instances", type=int, default=10, help="detections an image (%(default)s)")
    add("--precision", choices=["float32", "bfloat16", "auto"], default="float32")
    add("--repeat", type=int, default=5, help="(%(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args(arguments)


def make_config(options: argparse.Namespace, **others) -> Config:
    """One image at a time, fourteen classes."""
    values = {
        "NAME": "benchmark",
        "BACKBONE": options.backbone,
        "NUM_CLASSES": 14,
        "IMAGES_PER_GPU": 1,
        "IMAGE_MIN_DIM": options.size,
        "IMAGE_MAX_DIM": options.size,
        "DETECTION_MIN_CONFIDENCE": 0,
        "PRECISION": options.precision,
        **others,
    }
    return type("BenchmarkConfig", (Config,), values)()


def photographs(options: argparse.Namespace, count: int) -> list[np.ndarray]:
    """Noise that is smooth enough to give features of every size."""
    rng = np.random.default_rng(0)
    height, width = options.photograph
    coarse = rng.uniform(0, 255, (count, -(-height // 25), -(-width // 25), 3))
    fine = np.repeat(np.repeat(coarse, 25, axis=1), 25, axis=2)[:, :height, :width]
    return list((0.8 * fine + rng.uniform(0, 50, fine.shape)).astype(np.uint8))


def keep_detections(model, config: Config, image: np.ndarray, count: int) -> None:
    """Set the least confidence so that about `count` detections of the image are left."""
    from mrcnn.inference.predictor import Predictor, mold_inputs

    inputs = mold_inputs([image], config)[:2]
    scores = Predictor(model, config).run_detection(*inputs)[0][0, :, 5]
    found = np.sort(scores[scores > 0])[::-1]
    model.get_layer("mrcnn_detection").settings["min_confidence"] = float(found[:count][-1])


def measure(options: argparse.Namespace) -> dict:
    """Seconds an image of each way, a list of `--repeat` values."""
    from mrcnn.inference.predictor import Predictor, mold_inputs, unmold_detections
    from mrcnn.network.build import build_model

    config = make_config(options)
    images = photographs(options, options.repeat)
    started = time.perf_counter()
    model = build_model("inference", config)
    built = time.perf_counter() - started
    keep_detections(model, config, images[0], options.instances)
    predictor = Predictor(model, config)

    def whole(image):
        molded, metas, windows = mold_inputs([image], config)
        outputs = predictor.run(molded, metas)
        args = image.shape, molded.shape[1:], windows[0]
        return unmold_detections(outputs[0][0], outputs[3][0], *args)[1]

    def detect(image):
        return next(predictor.detect([image], 1))["class_ids"]

    fitting = Predictor(model, make_config(options, IMAGE_RESIZE_MODE="fit64"))

    def fit64(image):
        return next(fitting.detect([image], 1))["class_ids"]

    ways = {"whole": whole, "detect": detect, "fit64": fit64}
    found = [len(way(images[0])) for way in ways.values()]  # compiled now
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for image in images:
        for name, way in ways.items():
            started = time.perf_counter()
            way(image)
            seconds[name].append(time.perf_counter() - started)
    return {"build": built, "detections": found, "seconds": seconds}


def main() -> int:
    """Measure and print."""
    options = parse_arguments()
    figures = measure(options)
    base = statistics.median(figures["seconds"]["whole"])
    print(f"{options.backbone}, {options.size} x {options.size}, {options.precision}:")
    print(f"model built in {figures['build']:.1f} s; detections: {figures['detections']}")
    print(f"{'':8}{'s/image':>9}{'least':>8}{'most':>8}{'times faster':>14}")
    for name, values in figures["seconds"].items():
        middle = statistics.median(values)
        spread = f"{min(values):8.3f}{max(values):8.3f}"
        print(f"{name:8}{middle:9.3f}{spread}{base / middle:14.2f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
