"""COCO average precision of a stage's model on annotated pictures.

    %(prog)s --dataset=DIR --subset=val --model=FILE.h5
    %(prog)s --dataset=DIR --model=FILE.h5 --confusion --detections=FOUND.json
    %(prog)s --dataset=DIR --model=FILE.h5 --tta=flip,0.8,1.25 --report=DIR
    %(prog)s --dataset=DIR --model=FILE.h5 --results=FOUND.json --truth-json=T.json
    %(prog)s --dataset=DIR --from-results=FOUND.json

Prints the twelve COCO figures for boxes and for masks, those of each class, and the mean of
Matterport's compute_ap under its own name; --json writes them to a file. A dash (-1 in the file)
means that there is nothing to measure, such as a class without an instance. Detections down to
a score of .05 count (--min-confidence), as is usual for average precision, whatever the confidence
that pictures are drawn with. docs/evaluation.md explains the figures. ResNet-101 takes a
few seconds a picture on two cores, the preset `demo` a tenth of one; --tta=flip twice that.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from fashion.stages.arguments import (
    add_drop_unknown_argument,
    add_model_arguments,
    choose_classes,
    model_choice,
)
from fashion.stages.stage import (
    MODANET_STAGE,
    SEASON_STAGE,
    fraction,
    whole,
    writable_folder,
)
from fashion.terminal import command_parser
from mrcnn.errors import DatasetError

SCORE_THRESHOLD = 0.05
CONFUSION_SCORE = 0.5


def parse_arguments(
    arguments: list[str] | None = None, prog: str | None = None
) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = command_parser(__doc__, prog)
    stages = {"1": MODANET_STAGE, "2": SEASON_STAGE}
    parser.add_argument(
        "--stage", dest="number", choices=list(stages), default="1", help="whose classes"
    )
    parser.add_argument("--dataset", type=Path, metavar="DIR", help="default: the stage's")
    parser.add_argument("--subset", default="val", metavar="NAME", help="folder in DIR")
    parser.add_argument(
        "--logs", type=Path, metavar="DIR", help="for --model=last (default: the stage's)"
    )
    parser.add_argument("--limit", type=whole(1), metavar="N", help="at most this many pictures")
    parser.add_argument(
        "--tta",
        type=augmentation,
        metavar="LIST",
        help="test-time augmentation: flip and scales, separated by commas, such as flip,0.8,1.25; "
        "detects at every scale, with flip mirrored too, and merges the results",
    )
    add_file_arguments(parser)
    parser.add_argument(
        "--confusion",
        type=fraction,
        nargs="?",
        const=CONFUSION_SCORE,
        metavar="SCORE",
        help="count which class was taken for which, among detections of at least this score "
        f"({CONFUSION_SCORE:g})",
    )
    add_drop_unknown_argument(parser)
    add_model_arguments(
        parser,
        MODANET_STAGE,
        "weight file, or last (default: the stage's)",
        confidence=SCORE_THRESHOLD,
    )
    options = parser.parse_args(arguments)
    options.stage = stages[options.number]
    if options.from_results:
        for option in ("model", "detections", "tta", "preset"):
            if getattr(options, option):
                parser.error(f"--from-results runs no network: leave --{option} out")
    elif options.min_confidence is None:
        options.min_confidence = SCORE_THRESHOLD
    return options


def add_file_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options for files: to write, or to read instead of detecting."""
    for option, name, text in (
        ("--json", "FILE", "write the figures there too"),
        ("--report", "DIR", "write a page with curves and the best and worst pictures there"),
        ("--detections", "FILE", "keep what was found in this file, or take it from there"),
        ("--results", "FILE", "write what was found as a COCO results file"),
        ("--truth-json", "FILE", "write the truth as a COCO file, for --results"),
        ("--from-results", "FILE", "measure this COCO results file; no model is needed"),
    ):
        parser.add_argument(option, type=Path, metavar=name, help=text)


def augmentation(text: str):
    """An argparse type: a test-time augmentation."""
    from mrcnn.errors import ConfigError
    from mrcnn.inference.test_time_augmentation import Augmentation

    try:
        return Augmentation.parse(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(error.sentence()) from None


def main(arguments: list[str] | None = None, prog: str | None = None) -> int:
    """Evaluate and print."""
    options = parse_arguments(arguments, prog)
    choose_classes(options)
    from fashion.annotations.locating import find_annotations, subset_folder
    from fashion.dataset import FashionDataset
    from fashion.evaluation.results import Numbering
    from fashion.evaluation.run import (
        DetectionRun,
        detected_rows,
        measure_figures,
        rows_from_file,
    )
    from fashion.evaluation.tables import figures_text
    from fashion.stages.models import inference_weights
    from fashion.stages.training_labels import require_known_labels
    from mrcnn.evaluation.coco_ap import ground_truth

    stage = options.stage
    folder = options.dataset or stage.dataset
    dataset = FashionDataset()
    # Detections on pictures without a garment count too: as wrong.
    dataset.load(folder, options.subset, stage.table, keep_empty=True)
    dataset.prepare()
    print(dataset.summary())
    if not options.drop_unknown:
        require_known_labels(dataset, stage.table, folder / options.subset)
    image_ids = dataset.image_ids[: options.limit].tolist()
    numbering = Numbering.of(dataset, find_annotations(subset_folder(folder, options.subset)))
    choice = model_choice(options)
    weights = None if options.from_results else inference_weights(choice)
    check_writable(options)
    if weights is None:
        found = rows_from_file(options.from_results, numbering, image_ids, options.min_confidence)
        rows, masks = found.rows, found.have_masks
    else:
        choice = replace(choice, weights=weights)
        detection = DetectionRun(choice, weights, options.tta, options.detections)
        rows, masks = detected_rows(detection, dataset, image_ids), True
    if not masks and (options.confusion is not None or options.report):
        raise DatasetError(
            "the results have boxes only, but --confusion and --report compare masks",
            path=options.from_results,
            advice="leave them out, or give results with a segmentation in each row",
        )
    truth = ground_truth(dataset, image_ids)
    figures = measure_figures(dataset, image_ids, truth, rows, numbering, masks=masks)
    print("\n" + figures_text(figures))
    write_files(options, dataset, image_ids, truth, rows, figures, numbering)
    return 0


def check_writable(options: argparse.Namespace) -> None:
    """Check before the network runs that every file can be written afterwards."""
    for option in ("json", "detections", "results", "truth_json"):
        if path := getattr(options, option):
            writable_folder(path.absolute().parent, option)
    if options.report:
        writable_folder(options.report, "report")


def write_files(options, dataset, image_ids, truth, rows, figures, numbering) -> None:
    """Write every file that was asked for; the confusion is printed too."""
    from fashion.evaluation.results import write_results
    from fashion.evaluation.run import confusion
    from fashion.evaluation.tables import confusion_text
    from fashion.json_files import write_json

    if options.confusion is not None:
        figures["confusion"] = confusion(dataset, image_ids, rows, options.confusion)
        print("\n" + confusion_text(figures["confusion"]))
    written = []
    if options.json:
        write_json(options.json, figures, indent=1)
        written.append(("Figures", options.json))
    if options.results:
        others = write_results(options.results, numbering.rows(rows))
        written += [("Results", options.results), *([("Masks alone", others)] if others else [])]
    if options.truth_json:
        write_json(options.truth_json, numbering.truth(truth))
        written.append(("Truth", options.truth_json))
    if options.report:
        from fashion.evaluation.report import write_report

        score = CONFUSION_SCORE if options.confusion is None else options.confusion
        seasons = options.number == "2"
        named = numbering.named(truth)
        model = options.from_results or getattr(options.model, "path", options.model)
        data = (options.dataset or options.stage.dataset) / options.subset
        about = f"Model: {model}. Data: {data}."
        page = write_report(
            options.report, dataset, image_ids, named, rows, figures, score, seasons, about
        )
        written.append(("Report", page))
    print("".join(f"\n{what}: {path}" for what, path in written))
