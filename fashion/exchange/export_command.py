"""Export annotations to the formats of other tools.

    %(prog)s DIR/train/via_region_data.json out --format coco
    %(prog)s DIR yolo --format yolo-seg --copy
    %(prog)s via.json tasks.json --format label-studio \\
        --image-prefix "/data/local-files/?d=garments/train/"

FILE is a VIA or COCO file, shards of one ("via-*.json"), or a dataset folder, whose train/, val/
and test/ become subsets. OUT is a folder for yolo-seg, labelme and voc, else a file, or a folder
for it. A second export there replaces the first. What a format has no place for is counted and
reported. docs/annotation_tools.md says how to load them in each tool. A thousand images take
seconds to a minute, in little memory.
"""

import argparse
from pathlib import Path

from fashion.terminal import add_classes_argument, add_strict_argument, command_parser, listed


def parse_arguments(
    arguments: list[str] | None = None, prog: str | None = None
) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    from fashion.exchange.label_studio import LOCAL_FILES
    from fashion.exchange.run import FORMATS

    parser = command_parser(__doc__, prog)
    parser.add_argument("annotations", type=Path, metavar="FILE", help="annotations, or a folder")
    parser.add_argument("out", type=Path, metavar="OUT", help="file or folder to write")
    parser.add_argument("--format", required=True, choices=FORMATS, help="what to write")
    add_classes_argument(parser, "by the labels in the file")
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="folder of the images (default: beside FILE)"
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--copy", action="store_true", help="copy the images to their places in OUT")
    place.add_argument(
        "--link", action="store_true", help="link them there instead (copied across file systems)"
    )
    parser.add_argument(
        "--yolo-parts",
        choices=("join", "split"),
        default="join",
        help="yolo-seg: join the parts of an instance to one outline (default), or write each as "
        "a separate object",
    )
    parser.add_argument(
        "--image-prefix",
        default=LOCAL_FILES,
        metavar="TEXT",
        help="label-studio: what precedes each file name in the pictures' addresses (default: "
        f"{LOCAL_FILES})",
    )
    parser.add_argument(
        "--shard-size", type=int, metavar="N", help="coco: write files of N images each"
    )
    add_strict_argument(parser, "region")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None, prog: str | None = None) -> int:
    """Export and print what was written."""
    options = parse_arguments(arguments, prog)
    from fashion.annotations.problems import problem_text
    from fashion.exchange.run import ExportSettings, export
    from fashion.labels import named_table

    settings = ExportSettings(
        form=options.format,
        table=named_table(options.classes) if options.classes else None,
        images=options.images,
        place="copy" if options.copy else "link" if options.link else None,
        parts=options.yolo_parts,
        prefix=options.image_prefix,
        shard_size=options.shard_size,
        strict=options.strict,
    )
    report, written = export(options.annotations, options.out, settings)
    print(f"{listed(written)}: {report.lines()}{problem_text(report.problems)}")
    return 0 if report.objects else 1
