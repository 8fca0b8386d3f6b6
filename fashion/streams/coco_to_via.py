"""Turn COCO annotations into the VIA annotations that both stages train on.

    %(prog)s instances_train.json DIR/train
    %(prog)s instances_train.json via.json --first-polygon

OUT is a file, or a folder that gets `via_region_data.json`. Every polygon becomes a region; the
parts of one instance share its `instance` value. Run-length masks become polygons; the rest comes
back unchanged through tools/via_to_coco.py. A thousand images of ModaNet take a second or two,
52,000 (130 MB) one to two minutes and 2 GB of memory. Larger files, and with --stream or
--shard-size any, are read and written image by image, with the same result in little memory; ANN
may then also be the shards of a file: their folder, "ann-*.json", or the name without the numbers.
"""

import argparse
from pathlib import Path

from fashion.terminal import add_stream_arguments, command_parser, listed


def parse_arguments(
    arguments: list[str] | None = None, prog: str | None = None
) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = command_parser(__doc__, prog)
    parser.add_argument("annotations", type=Path, metavar="ANN.json", help="a COCO file, or shards")
    parser.add_argument("out", type=Path, metavar="OUT", help="VIA file, or folder for it")
    parser.add_argument(
        "--first-polygon",
        action="store_true",
        help="keep only the first polygon of each instance, and only the code, as the original "
        "pipeline did (for comparison: 18 %% of the garment area is lost)",
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="folder of the images: keys and sizes are then written as VIA itself makes them, so "
        "that the file can be imported where the images are already open; images that were "
        "annotated at another size are left out",
    )
    parser.add_argument(
        "--project",
        action="store_true",
        help="write a VIA project (to be opened with Project, Load) with lists to choose from",
    )
    add_stream_arguments(parser, "annotation")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None, prog: str | None = None) -> int:
    """Convert one file and say what was written."""
    options = parse_arguments(arguments, prog)
    from fashion.annotations import via
    from fashion.streams import conversion as stream_conversion

    out = via.output_path(options.out, via.PROJECT_FILE if options.project else None)
    sharded = options.shard_size is not None
    if options.stream or sharded or stream_conversion.is_large(options.annotations):
        conversion, written = _stream(options, out)
    else:
        conversion, written = _whole(options, out), [out]
    print(f"{listed(written)}: {conversion.summary()}")
    return 0 if conversion.instances else 1


def _stream(options: argparse.Namespace, out: Path) -> tuple:
    from fashion.streams import conversion as stream_conversion
    from mrcnn.errors import DatasetError

    if options.project:
        raise DatasetError(
            "a project is opened in a browser, which cannot hold so many images",
            advice="convert without --project, --stream and --shard-size, or divide the file",
        )
    return stream_conversion.coco_to_via(
        options.annotations,
        out,
        first_polygon=options.first_polygon,
        images=options.images,
        shard_size=options.shard_size,
        strict=options.strict,
    )


def _whole(options: argparse.Namespace, out: Path):
    """Convert with the whole file in memory."""
    from fashion.annotations import coco, coco_reading, via
    from fashion.annotations.problems import stop_at_first
    from fashion.streams import conversion as stream_conversion

    conversion = coco_reading.to_via(
        coco.read(options.annotations),
        str(options.annotations),
        first_polygon=options.first_polygon,
        strict=options.strict,
    )
    data = conversion.annotations
    if options.images:
        data.images = [
            image
            for image in data.images
            if stream_conversion.use_file_that_fits(image, options.images, conversion)
        ]
        if options.strict:
            stop_at_first(conversion.problems, options.annotations)
    if options.project:
        via.write_project(out, data, image_folder=options.images)
    else:
        via.write(out, data)
    return conversion
