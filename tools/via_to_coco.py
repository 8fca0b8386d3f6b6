#!/usr/bin/env python3
"""Turn VIA annotations into COCO annotations.

    python3 tools/via_to_coco.py DIR/train/via_region_data.json instances.json
    python3 tools/via_to_coco.py old_via.json instances.json --classes modanet
    python3 tools/via_to_coco.py via.json back.json --like instances_train.json

The regions of one instance become one annotation. What tools/coco_to_via.py made comes back as it
was: every polygon, class, id, bbox, area and image entry, except where somebody has corrected the
outline in VIA since. Regions with holes become run-length masks. A thousand images take seconds.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("annotations", type=Path, metavar="VIA.json", help="a VIA 1 or 2 file")
    parser.add_argument("out", type=Path, metavar="OUT", help="COCO file, or folder for it")
    parser.add_argument(
        "--classes",
        metavar="TABLE",
        help="modanet, season, or a class table file (default: by the labels in the file)",
    )
    parser.add_argument(
        "--like",
        type=Path,
        metavar="ANN.json",
        help="COCO file whose categories, info and licences are taken over",
    )
    parser.add_argument(
        "--strict", action="store_true", help="stop at the first region that cannot be used"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Convert one file and say what was written."""
    options = parse_arguments(arguments)
    from fashion import coco, coco_write, labels, via

    conversion = coco_write.from_via(
        via.read(options.annotations, strict=options.strict),
        str(options.annotations),
        table=labels.named_table(options.classes) if options.classes else None,
        like=coco.read(options.like) if options.like else None,
        strict=options.strict,
    )
    out = via.output_path(options.out, "instances.json")
    coco_write.write(out, conversion.data)
    print(f"{out}: {conversion.summary()}")
    return 0 if conversion.data["annotations"] else 1


if __name__ == "__main__":
    sys.exit(run(main))
