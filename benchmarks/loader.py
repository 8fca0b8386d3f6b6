#!/usr/bin/env python3
"""Time what one training sample of 1024 x 1024 costs on one core, against the classic way.

    python3 benchmarks/loader.py
    python3 benchmarks/loader.py --dataset DIR --subset train --samples 40 --json loader.json

Drawn photographs of 400 x 600 (JPEG) with polygons, or the images of a data set. The ways are
timed in turn, image by image, in one run, in processor milliseconds, so that ratios also hold on a
busy machine:

    classic   written as Matterport's loader works: full-size masks by scikit-image, image and masks
              resized by scikit-image and SciPy, every mask minimised, all 261,888 anchors compared
              with every box, the mean subtracted
    exact     BatchLoader as configured by default: the same numbers
    fast      LOADER_RESIZE = "fast"
    cached    LOADER_CACHE_MB, from the second pass over the images on

`exact` and `classic` are compared before they are timed: the boxes must be the same within the half
pixel by which the two draw polygons differently. The exit code is 1 if `fast` is less than 20
times as fast as `classic`.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

# OpenCV and BLAS read these when they are loaded: one thread, whatever the machine has.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2
import numpy as np
import scipy.ndimage
import skimage.draw
import skimage.io
import skimage.transform

from fashion.annotations.locating import ANNOTATION_FILE
from fashion.dataset import FashionDataset
from fashion.labels import MODANET_TABLE
from mrcnn.config import Config
from mrcnn.data.augmentation import augmentation_preset
from mrcnn.data.loader import BatchLoader
from mrcnn.geometry.anchors import compute_backbone_shapes, generate_pyramid_anchors

AIM = 20
PARTS = ("image", "masks", "resize", "boxes", "mini", "anchors", "mold")


class BenchmarkConfig(Config):
    """Matterport's values, fourteen classes."""

    NAME = "benchmark"
    NUM_CLASSES = 1 + len(MODANET_TABLE)


def draw_dataset(folder: Path, images: int) -> None:
    """Photographs of 400 x 600 with six wavy outlines each, as `folder/train`."""
    rng = np.random.default_rng(0)
    target, entries = folder / "train", {}
    target.mkdir()
    for number in range(images):
        coarse = rng.uniform(0, 255, (24, 16, 3)).astype(np.float32)
        picture = cv2.resize(coarse, (400, 600)) + rng.normal(0, 8, (600, 400, 3))
        name = f"{number}.jpg"
        cv2.imwrite(str(target / name), picture.clip(0, 255).astype(np.uint8))
        regions = [_region(rng) for _ in range(6)]
        entries[name] = {"filename": name, "size": -1, "regions": regions, "file_attributes": {}}
        entries[name]["file_attributes"] = {"width": 400, "height": 600}
    (target / ANNOTATION_FILE).write_text(json.dumps(entries), encoding="utf-8")


def _region(rng):
    centre, radius = rng.uniform((80, 120), (320, 480)), rng.uniform(20, 75)
    angle = np.linspace(0, 2 * np.pi, 34, endpoint=False)
    wave = radius * (1 + 0.3 * np.sin(angle * rng.integers(2, 6)))
    x, y = centre[0] + wave * np.cos(angle), centre[1] + 1.6 * wave * np.sin(angle)
    x, y = x.clip(0, 400).round(1), y.clip(0, 600).round(1)
    shape = {"name": "polygon", "all_points_x": x.tolist(), "all_points_y": y.tolist()}
    label = MODANET_TABLE.names[rng.integers(len(MODANET_TABLE))]
    return {"shape_attributes": shape, "region_attributes": {"label": label}}


class ClassicLoader:
    """One sample at a time by the classic steps; `seconds` of each step are added up."""

    def __init__(self, dataset: FashionDataset, config: Config):
        self.dataset, self.config = dataset, config
        shapes = compute_backbone_shapes(config, config.IMAGE_SHAPE)
        self.anchors = generate_pyramid_anchors(
            config.RPN_ANCHOR_SCALES,
            config.RPN_ANCHOR_RATIOS,
            shapes,
            config.BACKBONE_STRIDES,
            config.RPN_ANCHOR_STRIDE,
        )
        self.seconds = dict.fromkeys(PARTS, 0.0)

    def sample(self, image_id: int) -> tuple:
        """Molded image, labels of the anchors, their deltas, boxes and mini masks."""
        self._since = time.process_time()
        info = self.dataset.image_info[image_id]
        image = skimage.io.imread(info["path"])
        self._done("image")
        masks = self._masks(info)
        self._done("masks")
        image, masks = self._resize(image, masks)
        self._done("resize")
        present = masks.any(axis=(0, 1))
        masks = masks[:, :, present]
        boxes = np.array([self._box(masks[:, :, i]) for i in range(masks.shape[2])])
        self._done("boxes")
        minis = np.stack([self._mini(masks[:, :, i], b) for i, b in enumerate(boxes)], axis=2)
        self._done("mini")
        match, deltas = self._match(boxes)
        self._done("anchors")
        molded = image.astype(np.float32) - self.config.MEAN_PIXEL
        self._done("mold")
        return molded, match, deltas, boxes, minis

    def _done(self, part):
        now = time.process_time()
        self.seconds[part] += now - self._since
        self._since = now

    @staticmethod
    def _masks(info):
        shape = info["height"], info["width"]
        masks = np.zeros((*shape, len(info["instances"])), bool)
        for number, instance in enumerate(info["instances"]):
            for value, outlines in ((True, instance.parts), (False, instance.holes)):
                for points in outlines:
                    # To scikit-image pixel centres are whole numbers.
                    x, y = np.asarray(points, float).T - 0.5
                    rows, columns = skimage.draw.polygon(y, x, shape)
                    masks[rows, columns, number] = value
        return masks

    def _resize(self, image, masks):
        side = self.config.IMAGE_MAX_DIM
        height, width = image.shape[:2]
        scale = max(1, self.config.IMAGE_MIN_DIM / min(height, width))
        if round(max(height, width) * scale) > side:
            scale = side / max(height, width)
        size = round(height * scale), round(width * scale)
        image = skimage.transform.resize(
            image, size, order=1, mode="constant", preserve_range=True, anti_aliasing=False
        ).astype(np.uint8)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            masks = scipy.ndimage.zoom(masks, [scale, scale, 1], order=0)
        top, left = (side - size[0]) // 2, (side - size[1]) // 2
        padding = [(top, side - size[0] - top), (left, side - size[1] - left), (0, 0)]
        return np.pad(image, padding), np.pad(masks, padding)

    @staticmethod
    def _box(mask):
        columns, rows = np.where(mask.any(axis=0))[0], np.where(mask.any(axis=1))[0]
        return rows[0], columns[0], rows[-1] + 1, columns[-1] + 1

    def _mini(self, mask, box):
        y1, x1, y2, x2 = box
        shape = tuple(self.config.MINI_MASK_SHAPE)
        inside = mask[y1:y2, x1:x2].astype(float)
        mini = skimage.transform.resize(
            inside, shape, order=1, mode="constant", anti_aliasing=False
        )
        return np.around(mini).astype(bool)

    def _match(self, boxes):
        anchors, total = self.anchors, self.config.RPN_TRAIN_ANCHORS_PER_IMAGE
        areas = (anchors[:, 2] - anchors[:, 0]) * (anchors[:, 3] - anchors[:, 1])
        overlaps = np.zeros((len(anchors), len(boxes)))
        for number, (y1, x1, y2, x2) in enumerate(boxes):
            height = np.minimum(y2, anchors[:, 2]) - np.maximum(y1, anchors[:, 0])
            width = np.minimum(x2, anchors[:, 3]) - np.maximum(x1, anchors[:, 1])
            shared = np.maximum(height, 0) * np.maximum(width, 0)
            overlaps[:, number] = shared / ((y2 - y1) * (x2 - x1) + areas - shared)
        nearest = overlaps.argmax(axis=1)
        best = overlaps[np.arange(len(anchors)), nearest]
        match = np.zeros(len(anchors), np.int32)
        match[best < 0.3] = -1
        match[np.argwhere(overlaps == overlaps.max(axis=0))[:, 0]] = 1
        match[best >= 0.7] = 1
        for label, most in ((1, total // 2), (-1, None)):
            found = np.where(match == label)[0]
            surplus = len(found) - (total - np.sum(match == 1) if most is None else most)
            if surplus > 0:
                match[np.random.choice(found, surplus, replace=False)] = 0
        chosen = np.where(match == 1)[0]
        deltas = np.zeros((total, 4))
        for row, anchor in enumerate(chosen):
            box, own = boxes[nearest[anchor]], anchors[anchor]
            size, own_size = box[2:] - box[:2], own[2:] - own[:2]
            shift = (box[:2] + 0.5 * size - own[:2] - 0.5 * own_size) / own_size
            deltas[row] = [*shift, *np.log(size / own_size)]
            deltas[row] /= self.config.RPN_BBOX_STD_DEV
        return match, deltas


def make_loader(dataset, augmentation: str, **values) -> BatchLoader:
    """A loader of one image per batch in the data set's order, in the caller's thread."""
    config = type("ChangedConfig", (BenchmarkConfig,), values)()
    augmenter = augmentation_preset(augmentation)
    return BatchLoader(
        dataset, config, batch_size=1, shuffle=False, workers=0, augmentation=augmenter
    )


def check_boxes(dataset, classic: ClassicLoader, loader: BatchLoader) -> None:
    """Stop if the two ways find different boxes in the first image."""
    boxes = classic.sample(0)[3]
    ours = loader.sample(0).boxes
    if len(boxes) != len(ours) or np.abs(boxes - ours).max() > 4:
        raise SystemExit(f"The ways differ on the first image: boxes {boxes} and {ours}.")


def measure(options: argparse.Namespace, dataset: FashionDataset) -> dict:
    """Processor milliseconds per sample of each way, and of each step of the classic one."""
    classic = ClassicLoader(dataset, BenchmarkConfig())
    loaders = {
        "exact": make_loader(dataset, options.augmentation),
        "fast": make_loader(dataset, options.augmentation, LOADER_RESIZE="fast"),
        "cached": make_loader(dataset, options.augmentation, LOADER_CACHE_MB=1000),
    }
    check_boxes(dataset, classic, make_loader(dataset, "none"))
    classic.seconds = dict.fromkeys(PARTS, 0.0)
    count = min(options.samples, len(dataset.image_ids))
    for loader in loaders.values():
        loader.batch(0)  # computes the anchors
    for number in range(count):
        loaders["cached"].sample(number)
    figures = {name: [] for name in ("classic", *loaders)}
    for number in range(count):
        ways = {"classic": classic.sample} | {name: one.batch for name, one in loaders.items()}
        for name, way in ways.items():
            started = time.process_time()
            way(number)
            figures[name].append(1000 * (time.process_time() - started))
    parts = {name: 1000 * seconds / count for name, seconds in classic.seconds.items()}
    return {"milliseconds": figures, "classic_parts": parts}


def parse_arguments() -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--dataset", type=Path, metavar="DIR", help="instead of drawn photographs")
    add("--subset", default="train", help="of --dataset (%(default)s)")
    add("--samples", type=int, default=20, help="(%(default)s)")
    add("--augmentation", default="flip", help="of ours; the classic way has none (%(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args()


def main() -> int:
    """Measure and print."""
    options = parse_arguments()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        if not options.dataset:
            draw_dataset(Path(folder), options.samples)
        dataset = FashionDataset().load(
            options.dataset or Path(folder), options.subset, MODANET_TABLE
        )
        dataset.prepare()
        figures = measure(options, dataset)
    base = statistics.median(figures["milliseconds"]["classic"])
    print(f"{'':8}{'ms/sample':>10}{'least':>9}{'most':>9}{'times faster':>14}")
    for name, values in figures["milliseconds"].items():
        middle = statistics.median(values)
        spread = f"{min(values):9.1f}{max(values):9.1f}"
        print(f"{name:8}{middle:10.1f}{spread}{base / middle:14.1f}")
    parts = ", ".join(f"{name} {value:.0f}" for name, value in figures["classic_parts"].items())
    print(f"classic, ms: {parts}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    reached = base / statistics.median(figures["milliseconds"]["fast"])
    return int(reached < AIM)


if __name__ == "__main__":
    sys.exit(main())
