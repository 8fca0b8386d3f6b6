"""Divide an annotated folder of images into train/, val/ and test/.

    %(prog)s ANN.json IMAGES OUT
    %(prog)s ANN.json IMAGES --stage 1 --test-images
    %(prog)s custom_dataset_annotations.json model1/images --stage 2 --link
    %(prog)s ANN.json IMAGES OUT --ratios 70/15/15 --seed 3
    %(prog)s ANN.json IMAGES OUT --lists LISTS

ANN.json is a VIA or COCO file; each subset gets its images and its part of the file. With --stage
OUT is the stage's dataset folder. Every class gets the same share of each subset, as closely as the
images allow (ModaNet: within 0.2 points), and near-duplicate pictures stay together. A second run
with the same settings changes nothing; with other settings it leaves nothing of the first.
OUT/split.json records what goes where and what was skipped. A thousand images take five seconds,
nearly all of it for reading them (--ignore-duplicates reads none).
"""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from fashion.terminal import add_classes_argument, command_parser

if TYPE_CHECKING:
    from fashion.splitting.annotations import AnnotationSource
    from fashion.splitting.split import Settings, Split
    from fashion.stages.stage import Stage

SHOWN = 5


def parse_arguments(
    arguments: list[str] | None = None, prog: str | None = None
) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = command_parser(__doc__, prog)
    add = parser.add_argument
    add("annotations", type=Path, metavar="ANN.json", help="a VIA 1 or 2 file, or a COCO file")
    add("images", type=Path, metavar="IMAGES", help="folder of its images")
    add("out", type=Path, nargs="?", metavar="OUT", help="dataset folder (default: --stage's)")
    add("--stage", type=int, choices=(1, 2), help="use the folders and classes of this stage")
    add_classes_argument(parser, "the stage's, else by the labels in the file")
    add("--ratios", default="80/10/10", metavar="T/V/T", help="train/val/test")
    add("--seed", type=int, default=0, help="random seed")
    how = parser.add_mutually_exclusive_group()
    for mode, text in (
        ("copy", "copy the images (default)"),
        ("link", "link them: takes no space, and a change to one changes both"),
        ("move", "move them"),
    ):
        how.add_argument(f"--{mode}", dest="mode", action="store_const", const=mode, help=text)
    parser.set_defaults(mode="copy")
    add(
        "--lists",
        type=Path,
        metavar="PATH",
        help="ready-made lists: a folder with train.txt, val.txt, test.txt, or JSON, as split.json",
    )
    add(
        "--test-images",
        nargs="?",
        const="",
        metavar="DIR",
        help="also copy (or link) the test images to DIR (default: model1/test_images or "
        "model2/images)",
    )
    add(
        "--ignore-duplicates",
        action="store_true",
        help="do not look for near-duplicates (nor for images that cannot be read)",
    )
    add("--overwrite", action="store_true", help="replace annotations that were changed in OUT")
    add("--dry-run", action="store_true", help="print what would be done, and change nothing")
    options = parser.parse_args(arguments)
    if options.out is None and options.stage is None:
        parser.error("give OUT, or --stage 1 or 2")
    if options.test_images == "" and options.stage is None:
        parser.error("--test-images needs a folder, or --stage 1 or 2")
    return options


def main(arguments: list[str] | None = None, prog: str | None = None) -> int:
    """Divide the images and print what went where."""
    options = parse_arguments(arguments, prog)
    from tqdm import tqdm

    from fashion.labels import named_table
    from fashion.splitting import split as split_dataset
    from fashion.splitting.annotations import read_source
    from fashion.splitting.record import SplitFolder

    stage = find_stage(options.stage)
    settings = make_settings(options, stage)
    table = named_table(options.classes) if options.classes else stage.table if stage else None
    source = read_source(options.annotations, table)
    folder = SplitFolder(stage.dataset if stage and options.out is None else options.out)
    total = len(source.names) if settings.near_duplicates else 0
    with tqdm(total=total, unit="image", disable=None if total else True) as bar:
        split = split_dataset.plan_split(source, options.images, folder, settings, bar.update)
    if not options.dry_run:
        split_dataset.carry_out(split, source, options.images, folder, settings)
    print(summary(split, source))
    print("Nothing was changed." if options.dry_run else f"Written: {folder.out}")
    return 0


def find_stage(number: int | None) -> "Stage | None":
    """The stage of that number; None for None."""
    from fashion.stages.stage import MODANET_STAGE, SEASON_STAGE

    stages = {1: MODANET_STAGE, 2: SEASON_STAGE}
    return None if number is None else stages[number]


def make_settings(options: argparse.Namespace, stage: "Stage | None") -> "Settings":
    """The command line as `Settings`. Raises `DatasetError` for malformed ratios or lists."""
    from fashion.splitting import choosing
    from fashion.splitting import split as split_dataset

    test_images = Path(options.test_images) if options.test_images else None
    if options.test_images == "" and stage is not None:
        # Stage 1's images folder is where season photographs are labelled.
        test_images = stage.images if options.stage == 2 else stage.folder / "test_images"
    return split_dataset.Settings(
        ratios=choosing.parse_ratios(options.ratios),
        seed=options.seed,
        mode=options.mode,
        lists=choosing.read_lists(options.lists) if options.lists else None,
        near_duplicates=not options.ignore_duplicates,
        test_images=test_images,
        overwrite=options.overwrite,
        workers=os.cpu_count() or 1,
    )


def summary(split: "Split", source: "AnnotationSource") -> str:
    """Images and class shares of each subset, and what was noticed on the way."""
    from fashion.splitting.report import findings, share_table

    done = ", ".join(f"{count} {name}" for name, count in split.done.items())
    parts = [share_table(split, source), f"images: {done}" if done else ""]
    return "\n".join(filter(None, [*parts, findings(split, SHOWN)]))
