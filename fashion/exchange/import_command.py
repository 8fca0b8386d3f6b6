"""Import annotations of CVAT, Label Studio, LabelMe or YOLO as VIA, which both stages train on.

    %(prog)s annotations.xml DIR/train
    %(prog)s tasks.json DIR/train --image-prefix "/data/local-files/?d="

FILE is CVAT's "CVAT for images 1.1" (XML, unzipped) or Label Studio's export "JSON", or a folder of
YOLO's or LabelMe's files; its ending or --format says which. OUT is a file, or a folder for
`via_region_data.json`. What VIA has no region for (points, lines, tags) is counted and reported. A
thousand images take seconds.
"""

import argparse
from pathlib import Path

from fashion.terminal import add_strict_argument, command_parser, listed


def parse_arguments(
    arguments: list[str] | None = None, prog: str | None = None
) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = command_parser(__doc__, prog)
    parser.add_argument("annotations", type=Path, metavar="FILE", help="CVAT or Label Studio file")
    parser.add_argument("out", type=Path, metavar="OUT", help="VIA file, or folder for it")
    parser.add_argument(
        "--format",
        choices=("cvat", "label-studio", "labelme", "yolo"),
        help="default: by the ending; a folder with labels/ is yolo's, any other labelme's",
    )
    parser.add_argument(
        "--image-prefix",
        default="/data/local-files/?d=",
        metavar="TEXT",
        help="label-studio: what precedes the file names in the pictures' addresses "
        "(default: /data/local-files/?d=)",
    )
    parser.add_argument(
        "--subset", metavar="NAME", help="cvat, yolo: take the images of this subset"
    )
    parser.add_argument(
        "--join",
        action="store_true",
        help="cvat: shapes of one group and label are one instance; label-studio: those with a "
        "relation between them",
    )
    parser.add_argument(
        "--take",
        choices=("annotations", "predictions", "completions"),
        default="annotations",
        help="label-studio: what is imported of each task (default: annotations)",
    )
    parser.add_argument("--shard-size", type=int, metavar="N", help="write files of N images each")
    add_strict_argument(parser, "shape")
    return parser.parse_args(arguments)


def form_of(path: Path) -> str:
    """The format of annotations, judged by their path."""
    if path.is_dir():
        return "yolo" if (path / "labels").is_dir() else "labelme"
    return "cvat" if path.suffix == ".xml" else "label-studio"


def main(arguments: list[str] | None = None, prog: str | None = None) -> int:
    """Import one file and print what was written."""
    options = parse_arguments(arguments, prog)
    from fashion.annotations.via_writing import output_path
    from fashion.exchange.run import import_annotations

    form = options.format or form_of(options.annotations)
    report, written = import_annotations(
        options.annotations,
        output_path(options.out),
        form,
        prefix=options.image_prefix,
        subset=options.subset,
        take=options.take,
        join=options.join,
        shard_size=options.shard_size,
        strict=options.strict,
    )
    print(f"{listed(written)}: {report.summary()}")
    return 0 if report.regions else 1
