"""Repair the boxes and polygons of boots and footwear in ModaNet's COCO file.

    %(prog)s instances_train.json instances_repaired.json
    %(prog)s ANN.json OUT.json --one-or-all

Over 70 %% of ModaNet's boots and footwear have a bbox that does not match their polygons, and in
many pairs each instance holds both shoes. The polygons that have the bbox's width and height are
kept, and the bbox is recomputed. One polygon, or all of them, fit in 93 to 97 %%; several of them
in nearly all the rest. What cannot be repaired, and masks that are in an image twice, are listed
here and in OUT's .report.json. A thousand images take two seconds, all of ModaNet two minutes.
"""

import argparse
from pathlib import Path

from fashion.terminal import command_parser
from mrcnn.errors import counted


def parse_arguments(
    arguments: list[str] | None = None, prog: str | None = None
) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = command_parser(__doc__, prog)
    parser.add_argument("annotations", type=Path, metavar="ANN.json", help="a COCO file")
    parser.add_argument("out", type=Path, metavar="OUT.json", help="COCO file, or folder for it")
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="NAME",
        help="classes to repair (default: boots footwear); others are copied as they are",
    )
    parser.add_argument(
        "--one-or-all",
        action="store_true",
        help="keep only one polygon or all of them, never several of more",
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="JSON report (default: beside OUT)"
    )
    parser.add_argument(
        "--show", type=int, default=10, metavar="N", help="list at most N of each kind here"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None, prog: str | None = None) -> int:
    """Repair one file and print what was done."""
    options = parse_arguments(arguments, prog)
    from fashion.annotations import coco, coco_writing, via
    from fashion.data_quality import repair
    from fashion.json_files import write_json

    data = coco.read(options.annotations)
    result = repair.repair(
        data,
        str(options.annotations),
        classes=options.only or repair.DEFECTIVE_CLASSES,
        several=not options.one_or_all,
    )
    out = via.output_path(options.out, "instances.json")
    report = options.report or out.with_suffix(".report.json")
    coco_writing.write(out, result.data)
    write_json(report, result.to_json(), indent=1)
    print(repair_table(result))
    show("could not be repaired", result.unrepaired, options.show)
    left_over = [
        f"{file}, annotation {i}: {counted(count, 'polygon')}"
        for file, i, count in result.left_over
    ]
    show("removed, though they fit no other instance", left_over, options.show)
    print(f"masks twice in an image: {len(result.doubled_before)} before")
    show("masks twice in an image after", result.doubled_after, options.show)
    print(f"Written: {out} and {report}")
    return 0


def repair_table(result) -> str:
    """What was wrong before and after, and how it was repaired, one line per class."""
    from fashion.terminal import text_table

    head = [
        "class",
        "instances",
        "wrong before",
        "one",
        "all",
        "several",
        "repaired",
        "wrong after",
    ]
    rows = []
    for name, row in [*result.rows.items(), ("total", result.total())]:
        repaired = sum(row.repaired.values())
        before = f"{row.wrong_before} ({share(row.wrong_before, row.instances)})"
        how = [str(count) for count in row.repaired.values()]
        done = share(repaired, row.wrong_before)
        rows.append([name, str(row.instances), before, *how, done, str(row.wrong_after)])
    return text_table(head, rows)


def share(part: int, whole: int) -> str:
    """`part` of `whole` in percent."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def show(title: str, entries: list, limit: int) -> None:
    """A title with the number of entries, and the first `limit` of them."""
    print(f"{title}: {len(entries)}")
    for entry in entries[:limit]:
        print(f"  {entry}")
    if len(entries) > limit:
        print(f"  and {len(entries) - limit} more in the report")
