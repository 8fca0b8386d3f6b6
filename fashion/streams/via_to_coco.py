"""Turn VIA annotations into COCO annotations.

    %(prog)s DIR/train/via_region_data.json instances.json
    %(prog)s old_via.json instances.json --classes modanet
    %(prog)s via.json back.json --like instances_train.json

The regions of one instance become one annotation. What tools/coco_to_via.py made comes back as it
was: every polygon, class, id, bbox, area and image entry, except where somebody has corrected the
outline in VIA since. Regions with holes become run-length masks. A thousand images take seconds.
Files of more than 256 MB, and with --stream or --shard-size any, are read and written image by
image, with the same result in little memory; VIA.json may then also be the shards of a file: their
folder, "via-*.json", or the name without the numbers.
"""

import argparse
from pathlib import Path

from fashion.terminal import add_classes_argument, add_stream_arguments, command_parser, listed


def parse_arguments(
    arguments: list[str] | None = None, prog: str | None = None
) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = command_parser(__doc__, prog)
    parser.add_argument("annotations", type=Path, metavar="VIA.json", help="a VIA 1 or 2 file")
    parser.add_argument("out", type=Path, metavar="OUT", help="COCO file, or folder for it")
    add_classes_argument(parser, "by the labels in the file")
    parser.add_argument(
        "--like",
        type=Path,
        metavar="ANN.json",
        help="COCO file whose categories, info and licences are taken over",
    )
    add_stream_arguments(parser, "region")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None, prog: str | None = None) -> int:
    """Convert one file and say what was written."""
    options = parse_arguments(arguments, prog)
    from fashion import labels
    from fashion.annotations import coco_writing, via
    from fashion.streams import coco_writing as coco_stream
    from fashion.streams import conversion as stream_conversion

    out = via.output_path(options.out, "instances.json")
    table = labels.named_table(options.classes) if options.classes else None
    like = coco_stream.read_head(options.like) if options.like else None
    sharded = options.shard_size is not None
    if options.stream or sharded or stream_conversion.is_large(options.annotations):
        conversion, written = stream_conversion.via_to_coco(
            options.annotations,
            out,
            table=table,
            like=like,
            shard_size=options.shard_size,
            strict=options.strict,
        )
    else:
        conversion = coco_writing.from_via(
            via.read(options.annotations, strict=options.strict),
            str(options.annotations),
            table=table,
            like=like,
            strict=options.strict,
        )
        coco_writing.write(out, conversion.data)
        written = [out]
    print(f"{listed(written)}: {conversion.summary()}")
    return 0 if conversion.annotations else 1
