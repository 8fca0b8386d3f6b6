#!/usr/bin/env python3
"""COCO average precision of a stage's model on annotated pictures.

    python3 tools/evaluate.py --dataset=DIR --subset=val --model=FILE.h5

Prints the twelve COCO figures for boxes and for masks, and AP and AP50 of each class; --json writes
them to a file. -1 stands where there is nothing to measure by, such as a class without an instance.
Detections down to a score of .05 count (--min-confidence), as is usual for average precision,
whatever the confidence that pictures are drawn with. ResNet-101 takes a few seconds a picture on
two cores, the preset `demo` a tenth of one.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run
from fashion.stages import (
    MODANET_STAGE,
    SEASON_STAGE,
    add_model_arguments,
    whole,
    writable_folder,
)

SCORE_THRESHOLD = 0.05


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    stages = {"1": MODANET_STAGE, "2": SEASON_STAGE}
    parser.add_argument(
        "--stage", dest="number", choices=list(stages), default="1", help="whose classes (1)"
    )
    parser.add_argument("--dataset", type=Path, metavar="DIR", help="default: the stage's")
    parser.add_argument("--subset", default="val", metavar="NAME", help="folder in DIR (val)")
    parser.add_argument(
        "--logs", type=Path, metavar="DIR", help="for --model=last (default: the stage's)"
    )
    parser.add_argument("--limit", type=whole(1), metavar="N", help="at most this many pictures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    add_model_arguments(parser, MODANET_STAGE, "weight file, or last (default: the stage's)")
    options = parser.parse_args(arguments)
    options.stage = stages[options.number]
    if options.min_confidence is None:
        options.min_confidence = SCORE_THRESHOLD
    return options


def main() -> int:
    """Evaluate and print."""
    options = parse_arguments()
    stage = options.stage
    from tqdm import tqdm

    from fashion.dataset import FashionDataset
    from fashion.json_files import write_json
    from fashion.stages import inference_model, inference_weights
    from mrcnn.coco_evaluation import average_precision, detect_all, ground_truth

    dataset = FashionDataset()
    # What is found on pictures without a garment counts as well: as wrong.
    folder = options.dataset or stage.dataset
    dataset.load(folder, options.subset, stage.table, keep_empty=True)
    dataset.prepare()
    print(dataset.summary())
    image_ids = dataset.image_ids[: options.limit]
    inference_weights(options, stage)
    if options.json:
        writable_folder(options.json.absolute().parent, "--json")
    model = inference_model(options, stage)
    results = detect_all(
        dataset,
        lambda image: model.detect([image])[0],
        image_ids,
        lambda ids: tqdm(ids, unit="image", desc="detecting"),
    )
    figures = average_precision(ground_truth(dataset, image_ids), results)
    print_figures(figures)
    if options.json:
        write_json(options.json, figures, indent=1)
        print(f"\nFigures: {options.json}")
    return 0


def print_figures(figures: dict) -> None:
    """Two tables: COCO's figures, and each class."""
    boxes, masks = figures["bbox"], figures["segm"]
    print(f"{'':12}{'boxes':>8}{'masks':>8}")
    for name in (name for name in boxes if name != "per_class"):
        print(f"{name:12}{boxes[name]:8.3f}{masks[name]:8.3f}")
    print(f"\n{'class':16}{'box AP':>8}{'AP50':>8}{'mask AP':>8}{'AP50':>8}")
    for name, box in boxes["per_class"].items():
        mask = masks["per_class"][name]
        print(f"{name:16}{box['AP']:8.3f}{box['AP50']:8.3f}{mask['AP']:8.3f}{mask['AP50']:8.3f}")


if __name__ == "__main__":
    sys.exit(run(main))
