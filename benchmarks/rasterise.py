#!/usr/bin/env python3
"""Time the two ways between outlines and masks against the ways they replace.

    python3 benchmarks/rasterise.py
    python3 benchmarks/rasterise.py --annotations instances_val.json

Images of 400 x 600 with 5 instances: the drawn outlines by default, else those of a COCO file.
Takes half a minute on one core. On a quiet core the mini masks of an image should take under 2 ms,
and polygons of a mask a hundredth of a pixel loop with `find_contours`; the exit code is 1 where
one of the two is missed.
"""

import argparse
import json
import sys
import time
import warnings
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import skimage.draw
import skimage.measure

from fashion.polygons.filling import polygons_to_crop, polygons_to_mask
from fashion.polygons.tracing import mask_to_polygons
from mrcnn.geometry.boxes import extract_bboxes
from mrcnn.geometry.masks import minimize_mask
from mrcnn.geometry.mini_masks import MaskCrop, crop_boxes, resized_crops, shrink_masks

HEIGHT, WIDTH, INSTANCES, MINI_SHAPE = 600, 400, 5, (56, 56)


def drawn_images(count):
    """`count` images of 5 instances each, of ModaNet's sizes: wavy outlines of 34 points."""
    random = np.random.default_rng(0)
    return [[drawn_instance(random) for _ in range(INSTANCES)] for _ in range(count)]


def drawn_instance(random):
    centre = random.uniform([100, 120], [300, 480])
    radius = random.uniform(15, 65)
    angle = np.linspace(0, 2 * np.pi, 34, endpoint=False)
    wave = 1 + 0.3 * np.sin(angle * random.integers(2, 6) + random.uniform(0, 6))
    outline = centre + radius * wave[:, None] * np.stack([np.cos(angle), 1.6 * np.sin(angle)], 1)
    parts = [outline] if random.random() < 0.6 else [outline, outline * 0.3 + centre * 0.2]
    return [np.round(part) for part in parts]


def annotated_images(path, count):
    """The first `count` images of a COCO file that have 5 instances."""
    of_image = defaultdict(list)
    for annotation in json.loads(Path(path).read_text())["annotations"]:
        parts = [np.array(flat, float).reshape(-1, 2) for flat in annotation["segmentation"]]
        of_image[annotation["image_id"]].append(parts)
    return [one for one in of_image.values() if len(one) == INSTANCES][:count]


def classic_mini_masks(instances):
    """Full-size masks by scikit-image, boxes and mini masks of them."""
    masks = np.zeros((HEIGHT, WIDTH, len(instances)), dtype=bool)
    for number, parts in enumerate(instances):
        for part in parts:
            rows, columns = skimage.draw.polygon(part[:, 1], part[:, 0], (HEIGHT, WIDTH))
            masks[rows, columns, number] = True
    boxes = extract_bboxes(masks)
    return boxes, minimize_mask(boxes, masks, MINI_SHAPE)


def full_masks(instances):
    """Full-size masks of ours."""
    return [polygons_to_mask(parts, [], HEIGHT, WIDTH) for parts in instances]


def mini_masks(instances):
    """Boxes and mini masks without full-size masks."""
    found = [polygons_to_crop(parts, [], HEIGHT, WIDTH) for parts in instances]
    crops = [MaskCrop(mask, *corner) for mask, corner in found]
    crops = resized_crops(crops, (HEIGHT, WIDTH), 1.0, [(0, 0), (0, 0)])
    return crop_boxes(crops), shrink_masks([crop.mask for crop in crops], MINI_SHAPE)


def classic_polygons(mask):
    """A mask copied pixel by pixel into a frame, then traced at full size."""
    framed = np.zeros((HEIGHT + 2, WIDTH + 2), dtype=np.uint8)
    for row in range(HEIGHT):
        for column in range(WIDTH):
            framed[row + 1, column + 1] = mask[row, column]
    return [contour - 1 for contour in skimage.measure.find_contours(framed, 0.5)]


def milliseconds(work, items, rounds):
    """The best of `rounds` mean times of `work` over `items`, in time of the processor."""
    best = np.inf
    for _ in range(rounds):
        start = time.process_time()
        for item in items:
            work(item)
        best = min(best, (time.process_time() - start) / len(items) * 1000)
    return best


def report(name, value, baseline):
    print(f"{name:<58} {value:9.3f} ms  x {baseline / value:.1f}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--annotations", type=Path, help="a COCO file to take outlines from")
    parser.add_argument("--images", type=int, default=40)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=DeprecationWarning, message="__array__")
    if options.annotations:
        images = annotated_images(options.annotations, options.images)
    else:
        images = drawn_images(options.images)

    print(f"{len(images)} images of {WIDTH} x {HEIGHT}, {INSTANCES} instances; an image:")
    classic = milliseconds(classic_mini_masks, images, 3)
    fast = milliseconds(mini_masks, images, 7)
    report("skimage.draw.polygon, boxes, mini masks", classic, classic)
    report("full-size masks of ours", milliseconds(full_masks, images, 5), classic)
    report("boxes and mini masks, no full-size mask", fast, classic)

    masks = [mask for image in images[:10] for mask in full_masks(image)]
    print("\na mask:")
    pixel_loop = milliseconds(classic_polygons, masks[:6], 2)
    contours = milliseconds(lambda mask: skimage.measure.find_contours(mask, 0.5), masks, 3)
    traced = milliseconds(mask_to_polygons, masks, 7)
    report("pixel loop, find_contours", pixel_loop, pixel_loop)
    report("find_contours alone", contours, pixel_loop)
    report("mask_to_polygons", traced, pixel_loop)
    missed = fast >= 2 or pixel_loop < 100 * traced
    print("\nmissed: 2 ms an image, or 100 times faster" if missed else "\nboth aims are met")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
