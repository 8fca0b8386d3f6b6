#!/usr/bin/env python3
"""Show what superpixels and completion add to masks, against the truth of a data set.

    python3 benchmarks/parsing_quality.py --set DIR FILE.h5 --set DIR2 FILE2.h5 --json figures.json
    python3 benchmarks/parsing_quality.py --set DIR - --choose

DIR holds val/ (--subset) with pictures and VIA or COCO annotations; FILE.h5 is a model of stage 1
whose masks are used, `-` for none. The true masks are also damaged in three ways: eroded, parts
missing, shifted. Each case is measured without a body and with one: a stand-in for a COCO model's
person, made from the truth, as coarse as a mask head. Every other picture is for choosing settings
(--choose N of them per set: one setting after another, each by the mean of garments' IoU and
boundary F over all cases; then the classes that stay at pixel level); the printed figures come from
the others, which had no say. Without --choose the defaults are measured. --kept keeps detections in
a folder, so that a network runs once. Two sets of 48 pictures of 400 x 600 take minutes; `--choose`
measures each setting once more.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from mask_damage import DAMAGES, body_of_truth, damaged_detections

from fashion.dataset import FashionDataset
from fashion.labels import MODANET_TABLE
from fashion.parsing.detections import detections_of, scores_of_instances
from fashion.parsing.measuring.measures import ParsingMeasures
from fashion.parsing.measuring.truth import truth_label_map
from fashion.parsing.settings import SKIN_RANGE, ParsingSettings
from fashion.parsing.superpixels import refine, segment
from fashion.terminal import text_table

NAMES = ("background", *MODANET_TABLE.names)
MODEL = "model"
# One after another in this order, starting from the defaults.
GRID = {
    "removal": (0.5, 0.65, 0.8, 1.0),
    "agreement": (0.5, 0.65, 0.8),
    "completion_distance": (0.0, 5.0, 10.0, 15.0, 20.0),
    "completion_contact": (0.2, 0.35),
    "gap": (0.03, 0.06),
    "segments": (600, 900, 1400),
    "compactness": (10.0, 20.0, 30.0),
    "sigma": (1.0, 2.0, 3.0),
    "pixel_area": (1.0, 2.0, 4.0),
}
WORSE = -0.002  # IoU by which a class must lose before it may stay at pixel level


@dataclass
class Picture:
    """One picture, its truth, what each case found on it, and the stand-in for a body."""

    name: str
    image: np.ndarray
    truth: np.ndarray
    cases: dict
    body: np.ndarray


def load(folder, subset, model, limit, options):
    """The pictures of a data set, the cases on each; the first `limit` that have garments."""
    dataset = FashionDataset().load(folder, subset, MODANET_TABLE)
    dataset.prepare()
    detect = None if model == "-" else detector(model, options)
    pictures = []
    for image_id in dataset.image_ids[:limit]:
        image = dataset.load_image(image_id)
        masks, class_ids = dataset.load_mask(image_id)
        cases = {
            kind: damaged_detections(masks, class_ids, kind, [options.seed, int(image_id), number])
            for number, kind in enumerate(DAMAGES)
        }
        name = Path(dataset.image_info[image_id]["path"]).stem
        if detect:
            cases = {MODEL: detect(name, image), **cases}
        found = {kind: detections_of(case, image.shape) for kind, case in cases.items()}
        body = body_of_truth(image, masks, SKIN_RANGE)
        pictures.append(Picture(name, image, truth_label_map(masks, class_ids), found, body))
    print(f"{folder}/{subset}: {len(pictures)} pictures, cases: {', '.join(pictures[0].cases)}")
    return pictures


def detector(model, options):
    """A function of name and image that detects, or returns what was kept."""
    from fashion.json_files import file_digest
    from fashion.parsing.models import find_clothing

    found = find_clothing(model, precision="float32", min_confidence=options.confidence)
    loaded = []
    kept = options.kept and options.kept / f"{file_digest(found.path)[:12]}_{options.confidence:g}"

    def detect(name, image):
        path = kept and kept / f"{name}.npz"
        if path and path.is_file():
            with np.load(path) as arrays:
                result = dict(arrays)
            masks = np.unpackbits(result["masks"], count=int(np.prod(result["shape"])))
            return {**result, "masks": masks.reshape(result["shape"]).astype(bool)}
        if not loaded:
            loaded.append(found.load())
        result = loaded[0](image)
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            masks = np.asarray(result["masks"], bool)
            packed = {**result, "masks": np.packbits(masks), "shape": masks.shape}
            np.savez_compressed(path, **packed)
        return result

    return detect


class Bench:
    """Measures settings over pictures; what settings share is computed once."""

    def __init__(self, pictures):
        self.pictures = pictures
        self.superpixels = {}
        self.pixel_level = {}

    def measure(self, settings):
        """Measures of both levels of each case: {case: (pixel level, joint)}."""
        thin = frozenset(MODANET_TABLE.id_of(name) for name in settings.pixel_classes)
        joint = {}
        for picture in self.pictures:
            superpixels = self._segment(picture, settings)
            for case, found in picture.cases.items():
                scores = scores_of_instances(found, on_top=thin)
                for name, body in ((case, None), (f"{case}, body", picture.body)):
                    labels = refine(picture.image, scores, body, settings, superpixels=superpixels)
                    joint.setdefault(name, ParsingMeasures(NAMES)).add(picture.truth, labels)
        return {case: (self._at_pixel_level(case, thin), found) for case, found in joint.items()}

    def _at_pixel_level(self, case, thin):
        kind = case.removesuffix(", body")
        if (kind, thin) not in self.pixel_level:
            measures = self.pixel_level[kind, thin] = ParsingMeasures(NAMES)
            for picture in self.pictures:
                scores = scores_of_instances(picture.cases[kind], on_top=thin)
                measures.add(picture.truth, scores.labels)
        return self.pixel_level[kind, thin]

    def _segment(self, picture, settings):
        key = (id(picture), settings.segments, settings.compactness, settings.sigma)
        if key not in self.superpixels:
            self.superpixels[key] = segment(picture.image, settings).astype(np.uint16)
        return self.superpixels[key].astype(np.int32)


def goodness(measured):
    """The mean of garments' IoU and boundary F at joint level, over the cases of all sets."""
    figures = [joint.overall() for one in measured for _, joint in one.values()]
    return float(np.mean([(f["garment_iou"] + f["boundary_f"]) / 2 for f in figures]))


def class_gains(measured):
    """What each class's IoU gains at the joint level, the mean over the cases of all sets."""
    gains = {}
    for one in measured:
        for pixel, joint in one.values():
            for before, after in zip(pixel.classes(), joint.classes(), strict=True):
                if before.truth:
                    gains.setdefault(before.name, []).append(after.iou - before.iou)
    return {name: float(np.mean(values)) for name, values in gains.items()}


def choose(benches, settings, log):
    """The best settings on these pictures, one setting after another, then the thin classes."""

    def measure(candidate):
        return [bench.measure(candidate) for bench in benches]

    measured = measure(settings)
    best = goodness(measured)
    print(f"\nchoosing, by the mean of garments' IoU and boundary F; defaults: {best:.4f}")
    for name, values in GRID.items():
        start = settings
        for value in values:
            if value == getattr(start, name):
                continue
            candidate = replace(start, **{name: value})
            tried = measure(candidate)
            log.append({name: value, "goodness": goodness(tried)})
            print(f"  {name} {value:g}: {goodness(tried):.4f}", flush=True)
            if goodness(tried) > best:
                best, settings, measured = goodness(tried), candidate, tried
    return choose_classes(measure, settings, measured, log)


def choose_classes(measure, settings, measured, log):
    """Classes that superpixels make worse stay at pixel level if that improves the whole."""
    best = goodness(measured)
    gains = class_gains(measured)
    worse = [name for name, gain in sorted(gains.items(), key=lambda item: item[1]) if gain < WORSE]
    for name in [*settings.pixel_classes, *worse]:
        if name == NAMES[0]:
            continue
        others = tuple(one for one in settings.pixel_classes if one != name)
        classes = others if name in settings.pixel_classes else (*settings.pixel_classes, name)
        candidate = replace(settings, pixel_classes=classes)
        tried = measure(candidate)
        log.append({"pixel_classes": classes, "goodness": goodness(tried)})
        print(f"  at pixel level {', '.join(classes)}: {goodness(tried):.4f}", flush=True)
        if goodness(tried) > best:
            best, settings = goodness(tried), candidate
    return settings


def report(sets, chosen):
    """Print what the settings reach on each set, and return all of it as JSON values."""
    figures, measured = {}, []
    for folder, bench in sets.items():
        one = bench.measure(chosen)
        measured.append(one)
        figures[folder] = {
            case: {"pixel level": pixel.as_json(), "joint": joint.as_json()}
            for case, (pixel, joint) in one.items()
        }
        print(f"\n{folder}, {len(bench.pictures)} pictures\n{cases_text(one)}")
    print_classes(measured)
    return figures


def cases_text(measured):
    """A table of garments' IoU, boundary F and foreground accuracy: before, after, gain."""
    shown = {"garment_iou": "IoU", "boundary_f": "BF", "foreground_accuracy": "foreground"}
    head = ["case, %", *(f"{t}{part}" for t in shown.values() for part in ("", " joint", " gain"))]
    rows = []
    for case, (pixel, joint) in measured.items():
        before, after = pixel.overall(), joint.overall()
        cells = []
        for name in shown:
            values = 100 * before[name], 100 * after[name]
            cells += [f"{values[0]:.1f}", f"{values[1]:.1f}", f"{values[1] - values[0]:+.1f}"]
        rows.append([case, *cells])
    return text_table(head, rows)


def print_classes(measured):
    """A table of what each class gains in IoU and boundary F in each case, over all sets."""
    cases = list(dict.fromkeys(case for one in measured for case in one))
    rows = []
    for index, name in enumerate(NAMES):
        cells = []
        for figure in ("iou", "boundary_f"):
            for case in cases:
                gains = [
                    getattr(joint.classes()[index], figure)
                    - getattr(pixel.classes()[index], figure)
                    for pixel, joint in (one[case] for one in measured if case in one)
                    if pixel.classes()[index].truth
                ]
                cells.append(f"{100 * np.nanmean(gains):+.1f}" if gains else "-")
        rows.append([name, *cells])
    head = ["gain of a class, %", *(f"IoU {case}" for case in cases), *(f"BF {c}" for c in cases)]
    print("\n" + text_table(head, rows))


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--set", nargs=2, action="append", required=True, metavar=("DIR", "FILE.h5"))
    add("--subset", default="val")
    add("--limit", type=int, default=40, metavar="N", help="pictures of each set (%(default)s)")
    add("--confidence", type=float, default=0.5, help="of the models (%(default)s)")
    add("--seed", type=int, default=1, help="of the damage (%(default)s)")
    add("--choose", type=int, metavar="N", help="choose settings on so many pictures of each set")
    add("--kept", type=Path, metavar="DIR", help="keep detections there, or take them from there")
    add("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser.parse_args()


def main():
    options = parse_arguments()
    sets = {d: load(d, options.subset, model, options.limit, options) for d, model in options.set}
    choosing = [Bench(pictures[::2][: options.choose]) for pictures in sets.values()]
    held_out = {folder: Bench(pictures[1::2]) for folder, pictures in sets.items()}
    defaults, log, figures = ParsingSettings(), [], {}
    print("\n== defaults, on the pictures for reporting ==")
    figures["defaults"] = {"settings": asdict(defaults), "sets": report(held_out, defaults)}
    if options.choose:
        chosen = choose(choosing, defaults, log)
        changed = {k: v for k, v in asdict(chosen).items() if v != getattr(defaults, k)}
        print(f"\n== chosen, on the pictures for reporting: {changed or 'the defaults'} ==")
        figures["chosen"] = {"settings": asdict(chosen), "sets": report(held_out, chosen)}
        figures["tried"] = log
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
