#!/usr/bin/env python3
"""COCO average precision of a stage's model on annotated pictures.

    python3 tools/evaluate.py --dataset=DIR --subset=val --model=FILE.h5
    python3 tools/evaluate.py --dataset=DIR --model=FILE.h5 --confusion --detections=FOUND.json

Prints the twelve COCO figures for boxes and for masks, and AP and AP50 of each class; --json writes
them to a file. -1 stands where there is nothing to measure by, such as a class without an instance.
Detections down to a score of .05 count (--min-confidence), as is usual for average precision,
whatever the confidence that pictures are drawn with. --confusion adds which class was taken for
which. --detections keeps what was found: a later call with the same weights, settings and pictures
takes it from there, and the network does not run again. ResNet-101 takes a few seconds a picture on
two cores, the preset `demo` a tenth of one.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.class_tables import add_class_table_argument, choose_class_table
from fashion.commands import run
from fashion.stages import (
    MODANET_STAGE,
    SEASON_STAGE,
    add_model_arguments,
    fraction,
    whole,
    writable_folder,
)

SCORE_THRESHOLD = 0.05
CONFUSION_SCORE = 0.5


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
    parser.add_argument(
        "--confusion",
        type=fraction,
        nargs="?",
        const=CONFUSION_SCORE,
        metavar="SCORE",
        help="count which class was taken for which, among detections from this score on "
        f"({CONFUSION_SCORE:g})",
    )
    parser.add_argument(
        "--detections",
        type=Path,
        metavar="FILE",
        help="keep what was found in this JSON file, or take it from there",
    )
    add_class_table_argument(parser)
    add_model_arguments(parser, MODANET_STAGE, "weight file, or last (default: the stage's)")
    options = parser.parse_args(arguments)
    options.stage = stages[options.number]
    if options.class_table and options.number == "1":
        parser.error("--class-table is for --stage=2")
    if options.min_confidence is None:
        options.min_confidence = SCORE_THRESHOLD
    return options


def main() -> int:
    """Evaluate and print."""
    options = parse_arguments()
    if options.number == "2":
        choose_class_table(options)
    stage = options.stage
    from fashion.dataset import FashionDataset
    from fashion.json_files import write_json
    from fashion.stages import inference_weights
    from mrcnn.coco_evaluation import average_precision, ground_truth

    dataset = FashionDataset()
    # What is found on pictures without a garment counts as well: as wrong.
    folder = options.dataset or stage.dataset
    dataset.load(folder, options.subset, stage.table, keep_empty=True)
    dataset.prepare()
    print(dataset.summary())
    image_ids = dataset.image_ids[: options.limit]
    weights = inference_weights(options, stage)
    for option in ("json", "detections"):
        if path := getattr(options, option):
            writable_folder(path.absolute().parent, f"--{option}")
    results = find_results(options, weights, dataset, image_ids)
    figures = average_precision(ground_truth(dataset, image_ids), results)
    print_figures(figures)
    if options.confusion is not None:
        figures["confusion"] = confusion(dataset, image_ids, results, options.confusion)
        print_confusion(figures["confusion"])
    if options.json:
        write_json(options.json, figures, indent=1)
        print(f"\nFigures: {options.json}")
    return 0


def find_results(options: argparse.Namespace, weights: Path, dataset, image_ids) -> list[dict]:
    """COCO results of these images: out of --detections where they are there, else detected."""
    from tqdm import tqdm

    from fashion.detection_files import DetectionFile
    from fashion.label_report import file_digest
    from fashion.stages import inference_model, preset_of
    from mrcnn.coco_evaluation import detect_all

    kept = None
    if options.detections:
        of = {"weights": file_digest(weights), "preset": preset_of(weights, options.preset)}
        of |= {"precision": options.precision, "min_confidence": options.min_confidence}
        kept = DetectionFile(options.detections, of)
        results = kept.read(dataset, image_ids)
        if results is not None:
            print(f"Detections: taken from {options.detections}")
            return results
    model = inference_model(options, options.stage)
    results = detect_all(
        dataset,
        lambda image: model.detect([image])[0],
        image_ids,
        lambda ids: tqdm(ids, unit="image", desc="detecting"),
    )
    if kept:
        kept.write(dataset, image_ids, results)
    return results


def confusion(dataset, image_ids, results: list[dict], score: float) -> dict:
    """The confusion matrix as JSON values: `labels`, `matrix` (rows: truth), `iou`, `score`."""
    from fashion.detection_files import results_by_image
    from mrcnn.confusion import confusion_matrix

    iou = 0.5
    matrix = confusion_matrix(
        (dict(zip(("masks", "class_ids"), dataset.load_mask(i), strict=True)) for i in image_ids),
        results_by_image(results, dataset, image_ids),
        dataset.num_classes,
        iou,
        score,
    )
    labels = ["background", *dataset.class_names[1:]]
    counts = {"images": len(image_ids), "instances": int(matrix[1:].sum())}
    return {"labels": labels, "matrix": matrix.tolist(), "iou": iou, "score": score, **counts}


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


def print_confusion(confusion: dict) -> None:
    """The confusion matrix: a line for each true class, its columns numbered like the lines."""
    labels, rows = confusion["labels"], confusion["matrix"]
    print(f"\ntruth (lines) by what was found (columns), score {confusion['score']:g} or more")
    print(f"{'':20}" + "".join(f"{number:6}" for number in range(len(labels))))
    for number, (label, row) in enumerate(zip(labels, rows, strict=True)):
        print(f"{number:3} {label:16}" + "".join(f"{count or '-':>6}" for count in row))


if __name__ == "__main__":
    sys.exit(run(main))
