#!/usr/bin/env python3
"""Parse the clothing of photographs: body, garments, superpixels, one label a pixel.

    python3 tools/parse_clothing.py IMAGES --output=DIR
    python3 tools/parse_clothing.py IMAGES --output=DIR --clothing=FILE.h5 --body=coco
    python3 tools/parse_clothing.py IMAGES --output=DIR --stage=objects --min-confidence=.8
    python3 tools/parse_clothing.py DIR --output=DIR --truth=via_region_data.json
    python3 tools/parse_clothing.py --serve

For each picture one sheet (OUTPUT/<name>.png: original, body, clothing, superpixels, the labels of
pixels alone and of pixels and superpixels together) and a folder OUTPUT/<name>/ with the panels,
label maps as indexed PNGs, cut-outs with transparency, and parsing.json. Finished
pictures are skipped: the same command resumes where it was stopped. ResNet-101 takes some
five seconds a picture and model on two cores; the `demo` preset took 1.6 of a picture of 400 x 600,
with everything that is written. See docs/parsing.md.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.parsing.command import (
    add_run_arguments,
    add_server_arguments,
    add_setting_arguments,
    add_truth_arguments,
    parse_pictures,
    serve,
)
from fashion.terminal import run


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_run_arguments(parser)
    add_setting_arguments(parser)
    add_truth_arguments(parser)
    add_server_arguments(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Parse, and say what was found; 1 where nothing came out."""
    options = parse_arguments(arguments)
    return serve(options) if options.serve else parse_pictures(options)


if __name__ == "__main__":
    sys.exit(run(main))
