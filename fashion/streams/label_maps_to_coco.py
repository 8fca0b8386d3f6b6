"""Turn label maps (a number for each pixel) into a COCO file of instances.

    %(prog)s labels/ instances.json --table table.json --images photos/

A map is an indexed or grey PNG, or a MATLAB file (up to version 7.2), named like its photograph.
The table is a JSON object from number to class:

    {"1": "bag", "7": {"class": "footwear", "name": "heels"}}

All pixels of a number are one instance, except in classes of pairs (boots and footwear), which are
divided into a left and a right shoe: their two largest connected parts, with the smaller parts
joined to them. Numbers that the table does not name are left out. A hundred maps of 550 x 830
pixels take three seconds.
"""

import argparse
from pathlib import Path

from fashion.terminal import add_classes_argument, command_parser


def parse_arguments(
    arguments: list[str] | None = None, prog: str | None = None
) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = command_parser(__doc__, prog)
    add = parser.add_argument
    add("maps", type=Path, metavar="DIR", help="folder of the label maps")
    add("out", type=Path, metavar="OUT.json", help="the COCO file to write")
    add("--table", type=Path, required=True, metavar="FILE.json", help="numbers and their classes")
    add("--images", type=Path, metavar="DIR", help="folder of the photographs (default: all JPEG)")
    add_classes_argument(parser, "modanet")
    add("--only", type=Path, metavar="FILE.txt", help="convert only the maps that this file lists")
    add("--pairs", default="boots,footwear", metavar="CLASSES", help="(default: %(default)s)")
    add("--minimum-area", type=int, default=40, metavar="PIXELS", help="(default: %(default)s)")
    add("--variable", metavar="NAME", help="of the matrix in MATLAB files that hold several")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None, prog: str | None = None) -> int:
    """Convert the maps and say what was written."""
    options = parse_arguments(arguments, prog)
    from fashion.annotations import coco_writing, label_maps
    from fashion.labels import named_table

    classes = named_table(options.classes or "modanet")
    labels = label_maps.read_label_table(options.table, classes)
    names = options.only and [Path(line).stem for line in options.only.read_text().split()]
    conversion = label_maps.convert_label_maps(
        label_maps.list_label_maps(options.maps, names),
        labels,
        classes,
        images=options.images,
        variable=options.variable,
        pairs=[name for name in options.pairs.split(",") if name],
        minimum_area=options.minimum_area,
    )
    coco_writing.write(options.out, conversion.data)
    print(f"{options.out}: {conversion.summary()}")
    return 0 if conversion.data["annotations"] else 1
