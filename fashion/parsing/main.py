"""Parse the clothing of photographs: body, garments, superpixels, one label per pixel.

    %(prog)s IMAGES --output=DIR
    %(prog)s IMAGES --output=DIR --clothing=FILE.h5 --body=coco
    %(prog)s IMAGES --output=DIR --stage=objects --min-confidence=.8
    %(prog)s DIR --output=DIR --truth=via_region_data.json
    %(prog)s --serve

For each picture one sheet (OUTPUT/<name>.png: original, body, clothing, superpixels, the labels of
pixels alone and of pixels and superpixels together) and a folder OUTPUT/<name>/ with the panels,
label maps as indexed PNGs, cut-outs with transparency, and parsing.json. Finished
pictures are skipped: the same command resumes where it was stopped. ResNet-101 takes some
five seconds a picture and model on two cores; the `demo` preset took 1.6 for one of 400 x 600, with
everything that is written. See docs/parsing.md.
"""

import argparse

from fashion.parsing.command import (
    add_run_arguments,
    add_server_arguments,
    add_setting_arguments,
    add_truth_arguments,
    parse_pictures,
    serve,
)
from fashion.terminal import command_parser


def parse_arguments(
    arguments: list[str] | None = None, prog: str | None = None
) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = command_parser(__doc__, prog)
    add_run_arguments(parser)
    add_setting_arguments(parser)
    add_truth_arguments(parser)
    add_server_arguments(parser)
    options = parser.parse_args(arguments)
    options.images = options.images or options.pictures
    return options


def main(arguments: list[str] | None = None, prog: str | None = None) -> int:
    """Parse, and say what was found; exit code 1 if nothing came out."""
    options = parse_arguments(arguments, prog)
    return serve(options) if options.serve else parse_pictures(options)
