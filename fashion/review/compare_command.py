"""Compare automatic labels with the truth: precision, recall and IoU of each label, worst cases.

    %(prog)s AUTO TRUTH
    %(prog)s AUTO TRUTH --images=DIR --output=DIR --worst=20
    %(prog)s custom_dataset_annotations.json season_truth.json

AUTO is what generateVggAnno.py wrote; TRUTH a VIA or COCO file of the same images. If AUTO has
season labels, TRUTH has them too, or ModaNet's garments (then the season is the file name's); what
--labels=garments wrote is compared garment by garment. An automatic instance is right if a true one
of its label overlaps it with an IoU of .5 or more (--iou). Images that AUTO does not have count as
missed, unless --labelled-only is given. `points` is the mean number of points per polygon.
A thousand images take five seconds.
"""

import argparse
from pathlib import Path

from fashion.stages.stage import whole
from fashion.terminal import add_classes_argument, command_parser
from mrcnn.errors import counted


def parse_arguments(
    arguments: list[str] | None = None, prog: str | None = None
) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = command_parser(__doc__, prog)
    add = parser.add_argument
    add("auto", type=Path, metavar="AUTO", help="automatic labels, VIA")
    add("truth", type=Path, metavar="TRUTH", help="true labels, VIA or COCO")
    add("--iou", type=float, default=0.5, metavar="0..1", help="least overlap of a match")
    add_classes_argument(parser, "season labels or ModaNet's garments, whichever AUTO has")
    add("--all-garments", action="store_true", help="expect all garments, as --all-garments labels")
    add("--labelled-only", action="store_true", help="leave out images that AUTO does not have")
    add("--json", type=Path, metavar="FILE", help="write the figures there too")
    add("--output", type=Path, metavar="DIR", help="write pictures of the worst cases there")
    add("--images", type=Path, metavar="DIR", help="folder of the images (default: TRUTH's)")
    add("--worst", type=whole(1), default=12, metavar="N", help="how many pictures")
    options = parser.parse_args(arguments)
    if not 0 < options.iou <= 1:
        parser.error("--iou must be above 0 and at most 1")
    return options


def main(arguments: list[str] | None = None, prog: str | None = None) -> int:
    """Compare and print; exit code 1 when there is nothing to compare."""
    options = parse_arguments(arguments, prog)
    from tqdm import tqdm

    from fashion.annotations.locating import read_annotations
    from fashion.annotations.problems import problem_text
    from fashion.json_files import write_json
    from fashion.labels import named_table
    from fashion.review.quality import compare_labels
    from fashion.review.quality_report import quality_table, write_worst
    from mrcnn.errors import DatasetError

    auto, truth = read_annotations(options.auto), read_annotations(options.truth)
    with tqdm(unit="image", desc="comparing", disable=None) as bar:
        quality = compare_labels(
            auto,
            truth,
            threshold=options.iou,
            all_garments=options.all_garments,
            labelled_only=options.labelled_only,
            table=named_table(options.classes) if options.classes else None,
            progress=bar.update,
        )
    print(quality_table(quality))
    print(f"{counted(quality.images, 'image')}, {quality.unlabelled} of them not labelled", end="")
    print(problem_text([*auto.problems, *truth.problems, *quality.problems]))
    if options.json:
        write_json(options.json, quality.as_json(), indent=1)
    if options.output:
        images = options.images or options.truth.absolute().parent
        worst = quality.worst(options.worst)
        if worst and not any((images / name).is_file() for name in worst):
            raise DatasetError(
                "none of the compared pictures is in this folder",
                path=images,
                settings=("images",),
                advice="name the folder of the pictures with {images}",
            )
        written, errors = write_worst(quality, images, options.output, options.worst)
        for sentence in errors:
            print(f"not drawn: {sentence}")
        print(f"{counted(len(written), 'picture')} in {options.output.absolute()}")
    return 0 if quality.comparisons else 1
