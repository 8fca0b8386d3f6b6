#!/usr/bin/env python3
"""Measure the weights for photographs on a part of Clothing Co-Parsing.

    python3 benchmarks/photo_quality.py --source=CCP --subset=val --json=figures.json

Prints the md5 of the truth, average precision by class, the overlap of persons with what they wear,
how good automatic labels would be at several minimum scores, how far scores can be trusted, and
seconds per photograph. Settings are chosen on `val`; `test` is for the figures that are published.
"""

import argparse
import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from fashion import PHOTO_WEIGHTS
from fashion.json_files import write_json
from fashion.labels import PERSON, PHOTO_TABLE
from fashion.parsing.detections import dress_persons
from fashion.photo.data import SUBSETS, write_photo_data
from fashion.photo.figures import calibration, detect_for_figures, label_figures, summary
from fashion.photo.training import SCORE_EDGES, load_photographs, photo_model
from fashion.terminal import run, text_table

CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.9)


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--source", type=Path, required=True, metavar="DIR", help="Clothing Co-Parsing")
    add("--subset", choices=SUBSETS, default="val", help="(%(default)s)")
    add("--weights", type=Path, default=PHOTO_WEIGHTS, metavar="FILE.h5")
    add("--json", type=Path, metavar="FILE", help="also write the figures here")
    return parser.parse_args(arguments)


def timed(detect: Callable[[np.ndarray], dict], seconds: list[float]):
    """`detect`, which also notes how long each call took."""

    def detect_and_note(picture: np.ndarray) -> dict:
        begin = time.perf_counter()
        result = detect(picture)
        seconds.append(time.perf_counter() - begin)
        return result

    return detect_and_note


def figures(source: Path, subset: str, weights: Path) -> dict:
    """Everything that is printed, as one dictionary."""
    seconds: list[float] = []
    model = photo_model(weights)
    with tempfile.TemporaryDirectory() as folder:
        write_photo_data(source, Path(folder), [subset])
        dataset = load_photographs([Path(folder) / subset])
        detect = timed(lambda picture: model.detect([picture])[0], seconds)
        person = PHOTO_TABLE.id_of(PERSON)
        found = detect_for_figures(dataset, lambda picture: dress_persons(detect(picture), person))
    files = [source / f"{kind}_{subset}.json" for kind in ("instances", "persons")]
    return {
        "md5": {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in files},
        "photographs": len(seconds),
        "seconds": statistics.median(seconds),
        **summary(*found, 0.7),
        "labels": [vars(row) for row in label_figures(*found, CONFIDENCES)],
        "calibration": [vars(row) for row in calibration(*found, SCORE_EDGES)],
    }


def report(measured: dict) -> str:
    """The figures as tables."""
    kinds = ("box_AP50", "mask_AP50", "mask_AP")
    classes = [
        [name, str(row["instances"]), *(f"{row[kind]:.3f}" for kind in kinds)]
        for name, row in measured["classes"].items()
    ]
    mean = ["all", "", *(f"{measured[kind]:.3f}" for kind in kinds)]
    labels = [[f"{value:.3f}" for value in row.values()] for row in measured["labels"]]
    scores = [
        [f"{row['score']:.3f}", f"{row['precision']:.3f}", str(row["detections"])]
        for row in measured["calibration"]
    ]
    return "\n".join(
        [
            *(f"{name}: md5 {digest}" for name, digest in measured["md5"].items()),
            f"{measured['photographs']} photographs, {measured['seconds']:.3f} s each (median)",
            text_table(["garment", "instances", *kinds], [*classes, mean]),
            f"person: mask IoU {measured['person_mask_IoU']:.3f}",
            text_table(["labels from", "precision", "recall", "mask IoU"], labels),
            text_table(["mean score", "right", "detections"], scores),
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    options = parse_arguments(arguments)
    measured = figures(options.source, options.subset, options.weights)
    print(report(measured))
    if options.json:
        write_json(options.json, measured, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
