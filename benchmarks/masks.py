#!/usr/bin/env python3
"""Time what comes before and after the network, and how it grows with pixels and instances.

    python3 benchmarks/masks.py
    python3 benchmarks/masks.py --instances 1 10 100 --repeat 5 --json masks.json

Drawn masks on photographs of 400 x 600 and of 4000 x 6000, 100 times the pixels; each box is some
150 x 100 pixels of the small photograph, and 1500 x 1000 of the large one. Processor milliseconds
for all instances of an image:

    paste          all masks into a bool array [height, width, N], as MaskRCNN.detect gives them
    paste boxes    each mask into its box alone
    unstack        one mask after another from the array of `paste`, as labelling does
    polygons       outlines of each of those (mask_to_polygons)
    mini masks     outlines of training data as boxes and mini masks of 56 x 56
    draw           masks, outlines, boxes and captions (draw_detections)
    slic           superpixels of a drawn figure (independent of instances)
    parsing        the whole refinement of its labels: superpixels, vote, completion

`pixels` shows how many times longer the large photograph takes, and `instances` how many times
longer the most instances take than the fewest on the small one. The exit code is 1 if anything
grows faster than pixels or instances do. At 4000 x 6000 more than 20 masks are only pasted into
their boxes: 100 of them as arrays of the photograph's size take 2.4 GB.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

# OpenCV and BLAS read these when they are loaded: one thread, whatever the machine has.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2
import numpy as np

from fashion.demo.dataset import draw_picture
from fashion.labels import MODANET_TABLE
from fashion.parsing.detections import ClassScores, scores_of_labels
from fashion.parsing.measuring.truth import truth_label_map
from fashion.parsing.settings import ParsingSettings
from fashion.parsing.superpixels import refine, segment
from fashion.polygons.filling import polygons_to_crop
from fashion.polygons.tracing import mask_to_polygons
from mrcnn.drawing.painting import draw_detections
from mrcnn.geometry.masks import box_mask
from mrcnn.geometry.mini_masks import MaskCrop, crop_boxes, resized_crops, shrink_masks

SIZES = {"400 x 600": 1, "4000 x 6000": 10}  # factor of the small photograph's sides
WAYS = ("paste", "paste boxes", "unstack", "polygons", "mini masks", "draw", "slic", "parsing")
MOST_FULL_MASKS = 20
# Growth beyond linear by less than this is the machine's caches and noise.
TOLERANCE = 1.5
SHORTEST = 1.0  # milliseconds: what takes less stays within the caches, and shows no growth
NAMES = [f"garment {number}" for number in range(14)]


def soft_mask(rng) -> np.ndarray:
    """A wavy disc as the mask head gives it: float32 [28, 28], probabilities."""
    y, x = (np.mgrid[:28, :28] - 13.5) / 13.5
    angle, distance = np.arctan2(y, x), np.hypot(y, x)
    radius = 0.8 + 0.15 * np.sin(angle * rng.integers(2, 6) + rng.uniform(0, 6))
    return (1 / (1 + np.exp(12 * (distance - radius)))).astype(np.float32)


def make_case(factor: int, instances: int) -> dict:
    """Image, masks as the network gives them, and boxes; the same but for the size."""
    rng = np.random.default_rng(instances)
    corners = rng.integers(0, (450, 300), (instances, 2))
    boxes = np.concatenate([corners, corners + rng.integers((100, 60), (150, 100))], axis=1)
    coarse = rng.uniform(0, 255, (24, 16, 3)).astype(np.float32)
    image = cv2.resize(coarse, (400 * factor, 600 * factor)).astype(np.uint8)
    soft = np.stack([soft_mask(rng) for _ in range(instances)])
    return {"image": image, "soft": soft, "boxes": boxes * factor, "factor": factor}


def figure(factor: int) -> tuple:
    """A drawn person of that size, evidence for the garments with soft edges, and a body."""
    picture = draw_picture(3, 1)
    names, masks = zip(*picture.instances, strict=True)
    ids = np.array([MODANET_TABLE.id_of(name) for name in names])
    size = 400 * factor, 600 * factor
    labels = truth_label_map(np.stack(masks, axis=-1), ids)
    labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
    scores = scores_of_labels(labels)
    soft = np.stack([cv2.GaussianBlur(layer, (0, 0), 4) for layer in scores.support])
    body = cv2.dilate((labels > 0).astype(np.uint8), np.ones((25, 25), np.uint8)).astype(bool)
    scores = ClassScores(scores.class_ids, soft, soft.max(axis=0), labels)
    return cv2.resize(picture.image, size), scores, body


def mini_masks(outlines: list, height: int, width: int) -> tuple:
    """Boxes and mini masks without full-size masks, as a training sample has them."""
    found = [polygons_to_crop([points], [], height, width) for points in outlines]
    crops = [MaskCrop(mask, *corner) for mask, corner in found]
    crops = resized_crops(crops, (height, width), 1.0, [(0, 0), (0, 0)])
    return crop_boxes(crops), shrink_masks([crop.mask for crop in crops], (56, 56))


def make_ways(case: dict) -> dict:
    """Functions without arguments, by name."""
    from mrcnn.inference.predictor import paste_all

    shape, soft, boxes = case["image"].shape, case["soft"], case["boxes"]
    pairs = list(zip(soft, boxes, strict=True))
    person, settings = figure(case["factor"]), ParsingSettings()
    angle = np.linspace(0, 2 * np.pi, 34, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    outlines = [
        (box[[1, 0]] + box[[3, 2]]) / 2 + ring * (box[[3, 2]] - box[[1, 0]]) / 2 for box in boxes
    ]
    ways = {
        "paste boxes": lambda: [box_mask(m, (b[2] - b[0], b[3] - b[1])) for m, b in pairs],
        "mini masks": lambda: mini_masks(outlines, *shape[:2]),
        "slic": lambda: segment(person[0], settings),
        "parsing": lambda: refine(*person, settings),
    }
    if len(soft) <= MOST_FULL_MASKS or case["factor"] == 1:
        masks = paste_all(soft, boxes, shape)
        alone = [np.ascontiguousarray(masks[..., i]) for i in range(len(boxes))]
        result = {"rois": boxes, "masks": masks, "scores": np.ones(len(boxes))}
        result["class_ids"] = 1 + np.arange(len(boxes)) % 13
        ways["paste"] = lambda: paste_all(soft, boxes, shape)
        ways["unstack"] = lambda: [np.array(masks[..., i], order="C") for i in range(len(boxes))]
        ways["polygons"] = lambda: [mask_to_polygons(mask) for mask in alone]
        ways["draw"] = lambda: draw_detections(case["image"], result, NAMES)
    return ways


def measure(options: argparse.Namespace) -> dict:
    """{way: {size: {instances: milliseconds of each round}}}."""
    figures: dict = {way: {size: {} for size in SIZES} for way in WAYS}
    for instances in options.instances:
        for size, factor in SIZES.items():
            ways = make_ways(make_case(factor, instances))
            for name, way in ways.items():
                if factor == 1:
                    way()  # fonts and tables that are made once
                times = []
                for _ in range(options.repeat if factor == 1 else max(1, options.repeat // 3)):
                    started = time.process_time()
                    way()
                    times.append(1000 * (time.process_time() - started))
                figures[name][size][instances] = times
    return figures


def growth(figures: dict) -> dict:
    """{way: (times longer for 100 times the pixels, for the most instances)}, None if unknown.

    Sizes and numbers of instances are compared from `SHORTEST` on; for instances, the growth is
    scaled to that from the fewest to the most.
    """
    small, large = SIZES
    grown = {}
    for name, of_size in figures.items():
        middle = {
            size: {count: statistics.median(times) for count, times in of_count.items()}
            for size, of_count in of_size.items()
        }
        long = {count: t for count, t in middle[small].items() if t >= SHORTEST}
        both = [count for count in long if count in middle[large]]
        pixels = middle[large][both[-1]] / long[both[-1]] if both else None
        instances = None
        if len(long) > 1:
            first, last = min(long), max(long)
            whole = max(middle[small]) / min(middle[small])
            instances = long[last] / long[first] * whole / (last / first)
        grown[name] = pixels, instances
    return grown


def parse_arguments() -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--instances", type=int, nargs="+", default=[1, 10, 100])
    add("--repeat", type=int, default=6, help="rounds on the small photograph (%(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args()


def main() -> int:
    """Measure and print."""
    options = parse_arguments()
    cv2.setNumThreads(1)
    figures = measure(options)
    grown = growth(figures)
    for size, factor in SIZES.items():
        pixels = factor * factor
        print(f"{size}: ms (least to most), {pixels} times the pixels")
        for name in WAYS:
            cells = [
                f"N={count}: {statistics.median(times):.1f} ({min(times):.1f} to {max(times):.1f})"
                for count, times in figures[name][size].items()
            ]
            print(f"  {name:12} " + "; ".join(cells))
    ratio = max(options.instances) / min(options.instances)
    limits = max(SIZES.values()) ** 2 * TOLERANCE, ratio * TOLERANCE
    print(f"\n{'':14}{'pixels':>8}{'instances':>11}   (linear: 100, {ratio:g})")
    worse = False
    for name, values in grown.items():
        bad = any(v is not None and v > limit for v, limit in zip(values, limits, strict=True))
        worse |= bad
        shown = ["" if value is None else f"{value:.1f}" for value in values]
        print(f"{name:14}{shown[0]:>8}{shown[1]:>11}{'   worse than linear' if bad else ''}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return int(worse)


if __name__ == "__main__":
    sys.exit(main())
