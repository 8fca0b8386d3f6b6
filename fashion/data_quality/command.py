"""Describe a data set in figures, draw its annotations, or check that every image can be read.

    %(prog)s FOLDER
    %(prog)s ANN.json --images DIR --samples 20
    %(prog)s FOLDER --check

FOLDER holds train/, val/ or test/, or images with annotations beside them (VIA or COCO).
The table goes to the terminal, all figures to DIR/statistics.json, the plots to DIR/statistics.png,
the drawn images to DIR/samples, where DIR is --output. --check decodes every image instead, lists
those that are missing, damaged or not the size that their annotations say, and exits with 1 if
there are any. A thousand images take five seconds, their check ten.
"""

import argparse
import os
from pathlib import Path

from fashion.terminal import add_classes_argument, command_parser
from mrcnn.errors import counted

FOLDER = Path("dataset_stats")


def parse_arguments(
    arguments: list[str] | None = None, prog: str | None = None
) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = command_parser(__doc__, prog)
    add = parser.add_argument
    add("data", type=Path, metavar="DATA", help="folder or annotation file")
    add("--images", type=Path, metavar="DIR", help="images (default: beside the annotations)")
    add_classes_argument(parser, "by the labels in the files")
    add("--output", type=Path, default=FOLDER, metavar="DIR", help="folder to write to")
    add("--out", dest="output", type=Path, default=FOLDER, help=argparse.SUPPRESS)
    add("--samples", type=int, default=0, metavar="N", help="draw N annotated images")
    add("--seed", type=int, default=0, help="random seed of the samples")
    add("--check", action="store_true", help="decode every image and list the bad ones")
    add("--workers", type=int, default=os.cpu_count() or 1, help="threads that decode")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None, prog: str | None = None) -> int:
    """Statistics and samples, or the check."""
    options = parse_arguments(arguments, prog)
    return check(options) if options.check else describe(options)


def check(options: argparse.Namespace) -> int:
    """Decode every image; exit code 1 when one is bad."""
    from tqdm import tqdm

    from fashion.data_quality import image_check

    expected = image_check.expected_images(options.data, options.images)
    with tqdm(total=len(expected), unit="image", desc="check", disable=None) as bar:
        bad = image_check.bad_images(expected, options.workers, bar.update)
    for sentence in bad:
        print(sentence)
    others = image_check.other_files(options.data, options.images)
    for path in others:
        print(f"{path} is not a readable picture")
    beside = f"; {counted(len(others), 'other file')}" if others else ""
    print(f"{counted(len(expected), 'image')}, {len(bad)} of them bad{beside}")
    return 1 if bad or not expected else 0


def describe(options: argparse.Namespace) -> int:
    """Statistics, and samples where asked for; exit code 1 when there is no instance."""
    from tqdm import tqdm

    from fashion.annotations.class_inference import FoundLabels, infer_table
    from fashion.annotations.locating import annotation_parts
    from fashion.data_quality import counting, plots, report, samples
    from fashion.json_files import write_json
    from fashion.labels import named_table
    from mrcnn.errors import DatasetError

    parts = annotation_parts(options.data, options.images)
    if options.classes:
        table = named_table(options.classes)
    else:
        labels = FoundLabels.of(image for part in parts for image in part.annotations)
        if not labels.regions:
            refused = [problem for part in parts for problem in part.annotations.problems]
            if refused:
                raise DatasetError(
                    f"none of its regions can be used ({counted(len(refused), 'problem')}, the "
                    f"first: {refused[0]})",
                    path=options.data,
                    advice="correct the annotations",
                )
            raise DatasetError(
                "it has no region", path=options.data, advice="annotate the images first"
            )
        table = infer_table(labels, None, str(options.data))
    total = sum(len(part.annotations) for part in parts)
    with tqdm(total=total, unit="image", desc="statistics", disable=None) as bar:
        figures = counting.collect(parts, table, bar.update)
    print(report.statistics_text(figures))
    out = options.output
    written = [out / "statistics.json"]
    write_json(written[0], figures.to_json(), indent=1)
    if figures.present():
        written.append(out / "statistics.png")
        title = report.title(figures, options.data.absolute().name)
        plots.write_sheet(written[-1], figures, title)
    if options.samples > 0:
        chosen = samples.choose_samples(parts, table, options.samples, options.seed)
        with tqdm(total=len(chosen), unit="image", desc="samples", disable=None) as bar:
            drawn, errors = samples.write_samples(chosen, table, out / "samples", bar.update)
        for sentence in errors:
            print(f"skipped: {sentence}")
        print(f"{len(drawn)} annotated images in {out / 'samples'}")
    print(f"Written: {' and '.join(map(str, written))}")
    return 0 if figures.present() else 1
