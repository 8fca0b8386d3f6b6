"""Inspect a model or a weight file: pictures of every step, a page, and the numbers as JSON.

    %(prog)s --model=FILE.h5 --file-only
    %(prog)s --model=FILE.h5 --dataset=DIR --subset=val
    %(prog)s --model=FILE.h5 --image=FILE --show=proposals,masks
    %(prog)s --model=none --preset=demo --dataset=DIR --show=anchors

Writes index.html, which explains each picture, and inspection.json into --output. With --dataset
all parts are shown for one picture, and how well the anchors fit the subset; with --image the parts
that need no truth. --model=none uses random weights, to look at anchors before training.
--file-only lists what a weight file holds, without a network. What to look for: docs/inspecting.md.
The preset `demo` takes half a minute on two cores.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from fashion.labels import PHOTO_TABLE, ClassTable
from fashion.stages.arguments import add_model_arguments, choose_classes, model_choice
from fashion.stages.stage import MODANET_STAGE, SEASON_STAGE, whole, writable_folder
from fashion.terminal import command_parser
from mrcnn.errors import DatasetError, UserError

STAGES = {"1": MODANET_STAGE, "2": SEASON_STAGE}


def parse_arguments(
    arguments: list[str] | None = None, prog: str | None = None
) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = command_parser(__doc__, prog)
    add = parser.add_argument
    add("--stage", dest="number", choices=list(STAGES), default="1", help="whose classes")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--dataset", type=Path, metavar="DIR", help="annotated pictures")
    source.add_argument("--image", type=Path, metavar="FILE", help="a picture without truth")
    source.add_argument("--file-only", action="store_true", help="look only at the weight file")
    add("--subset", default="val", metavar="NAME", help="folder in DIR")
    add("--picture", metavar="NAME", help="file name in the subset (default: its first)")
    add("--show", metavar="PART,...", help="anchors, rpn_targets, proposals, rois, detections, "
        "masks, activations, weights (default: all that can be shown)")  # fmt: skip
    add(
        "--layers",
        nargs="+",
        default=[],
        metavar="NAME",
        help="whose activations (default: a selection)",
    )
    add("--limit", type=whole(1), default=500, metavar="N", help="pictures to fit anchors to")
    add("--seed", type=whole(0), default=0, help="random seed of the RoIs and anchors")
    add("--logs", type=Path, metavar="DIR", help="for --model=last (default: the stage's)")
    add(
        "--output",
        type=Path,
        default=Path("inspected"),
        metavar="DIR",
        help="(default: %(default)s)",
    )
    add_model_arguments(parser, MODANET_STAGE, "weight file, last, or none (default: the stage's)")
    options = parser.parse_args(arguments)
    options.stage = STAGES[options.number]
    return options


def main(arguments: list[str] | None = None, prog: str | None = None) -> int:
    """Inspect, write, and print the findings."""
    options = parse_arguments(arguments, prog)
    if not options.file_only:
        choose_classes(options)
    from mrcnn.inspection.report import write_inspection

    inspected, parts, title = of_file(options) if options.file_only else of_model(options)
    for section in write_inspection(inspected, parts, options.output, title):
        for sentence in section.findings:
            print(f"{section.name}: {sentence}")
    print(f"Written: {(options.output / 'index.html').absolute()}")
    return 0


def of_file(options: argparse.Namespace) -> tuple:
    """A weight file of any classes, without a network; the parts to show; and the title."""
    from fashion.stages.models import weights_path
    from mrcnn.inspection.sections import Inspected

    stage, inspected = options.stage, Inspected()
    path = weights_path(options.model or stage.folder / stage.weights, stage, options.logs)
    print(inspected.read_file(path).to_text())
    writable_folder(options.output, "output")
    return inspected, ["weights"], path.name


def of_model(options: argparse.Namespace) -> tuple:
    """A network with its picture, the parts to show, and the title."""
    from fashion.stages.models import (
        inference_model,
        inference_weights,
        names_with_person,
        preset_of,
    )
    from fashion.stages.presets import make_config
    from mrcnn.inspection.report import NEED_MODEL
    from mrcnn.inspection.sections import Inspected

    parts, stage, random = chosen_parts(options), options.stage, options.model == "none"
    choice = replace(model_choice(options), persons=True)
    weights = None if random else inference_weights(choice)
    preset, classes = preset_of(weights, options.preset), names_with_person(stage, weights)
    values = {"PRECISION": options.precision, "DETECTION_MIN_CONFIDENCE": options.min_confidence}
    config = make_config(preset, stage.name, len(classes), inference=True, **values)
    inspected = Inspected(config, classes, layers=options.layers, seed=options.seed)
    table = stage.table if len(classes) == 1 + len(stage.table) else PHOTO_TABLE
    set_picture(inspected, options, table, fit="anchors" in parts)
    writable_folder(options.output, "output")
    if weights:
        inspected.read_file(weights.path)
    if NEED_MODEL.intersection(parts) or (random and "weights" in parts):
        from mrcnn.model import MaskRCNN

        untrained = MaskRCNN("inference", config, stage.logs) if random else None
        inspected.model = untrained or inference_model(replace(choice, weights=weights))
    return (
        inspected,
        parts,
        f"{weights.path.name if weights else 'random weights'}, preset {preset}",
    )


def chosen_parts(options: argparse.Namespace) -> list[str]:
    """The parts to show: those chosen, by default all that the picture allows."""
    from mrcnn.inspection.report import NEED_MODEL, NEED_TRUTH, PARTS, check_parts

    lacking = set() if options.dataset else set(NEED_TRUTH)
    if not options.dataset and not options.image:
        lacking |= NEED_MODEL
    if options.show is None:
        return [part for part in PARTS if part not in lacking]
    parts = check_parts([part.strip() for part in options.show.split(",")])
    for part in parts:
        if part in lacking:
            source = "--dataset=DIR" if part in NEED_TRUTH else "--dataset=DIR or --image=FILE"
            raise UserError(f"{part} needs a picture", advice=f"give {source}")
    return parts


def set_picture(inspected, options: argparse.Namespace, table: ClassTable, fit: bool) -> None:
    """Set the picture and, for a data set, how well the anchors fit it.

    table: the classes of the network; those of the photo weights include the person.
    """
    from mrcnn.images.reading import read_image
    from mrcnn.inspection.anchors import anchor_fit, molded_instances
    from mrcnn.inspection.stages import scene_of_dataset, scene_of_image

    config = inspected.config
    if options.image:
        inspected.scene = scene_of_image(read_image(options.image), config, options.image.name)
    if not options.dataset:
        return
    from fashion.dataset import FashionDataset

    dataset = FashionDataset().load(options.dataset, options.subset, table)
    dataset.prepare()
    print(dataset.summary())
    names = [info["id"] for info in dataset.image_info]
    if options.picture not in (None, *names):
        raise DatasetError(f"there is no annotated picture {options.picture}", path=options.dataset)
    number = names.index(options.picture) if options.picture else 0
    inspected.scene = scene_of_dataset(dataset, config, number)
    if fit:
        instances = molded_instances(dataset, config, dataset.image_ids[: options.limit])
        inspected.fit = anchor_fit(config, *instances)
