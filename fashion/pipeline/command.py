"""The command line of the pipeline, and the plan it asks for: sizes, folders, start weights."""

import argparse
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from fashion import DEMO_START, REPOSITORY
from fashion.pipeline.plan import RunPlan, Training, demo_sources, find_sources, shown
from fashion.stages.models import find_weights
from fashion.stages.presets import PRESETS
from fashion.stages.stage import MODANET_STAGE, whole
from fashion.terminal import command_parser


@dataclass(frozen=True)
class DemoSize:
    """How many pictures the demo draws for each stage, and how it trains them."""

    train_images: int
    custom_images: int
    stage1: Training
    stage2: Training


# One picture in nine has a given season label, but one in two has some summer garment.
SEASONS = Training(7, 60, 0.0007, falling=True, repeat_rare=0.4)
FROM_START = DemoSize(400, 360, Training(2, 60, 0.0002, falling=True), SEASONS)
FROM_SCRATCH = DemoSize(800, 360, Training(27, 120, falling=True), SEASONS)
QUICK = DemoSize(40, 40, Training(1, 4), Training(1, 4))
TAKEN = DemoSize(0, 0, Training(), Training())  # --data: nothing is drawn
# Every garment in a drawn picture is of its season. The threshold is higher than the preset's: a
# false label costs stage 2 more than a missing one.
DEMO_LABELLING = ("--all-garments", "--min-confidence=0.9")
# After a training of seconds, only thresholds as low as these leave any labels.
QUICK_LABELLING = ("--all-garments", "--min-confidence=0.1", "--low-confidence=0.1")


def parse_arguments(
    description: str, arguments: list[str] | None = None, prog: str | None = None
) -> argparse.Namespace:
    """The command line of the pipeline; see `fashion.pipeline.run`."""
    parser = command_parser(description, prog)
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--demo", action="store_true", help="draw the pictures")
    source.add_argument("--data", type=Path, metavar="DIR", help="use the pictures in DIR")
    add(
        "--output",
        type=Path,
        default=REPOSITORY / "outputs",
        metavar="DIR",
        help="folder for all results: index.html, and the rest below demo/, quick/ or data/ "
        "(default: %(default)s)",
    )
    add(
        "--stages",
        metavar="NAME,...",
        help="only these steps: data, convert, split1, train1, test1, evaluate1, label, "
        "check-labels, split2, train2, test2, truth, evaluate2, compare, parse, page",
    )
    add("--resume", action="store_true", help="resume the last run (the default)")
    add("--restart", action="store_true", help="start over: repeat all steps, or those of --stages")
    add("--dry-run", action="store_true", help="print the commands, and run none")
    group = parser.add_argument_group("sizes and training")
    add = group.add_argument
    add("--preset", choices=list(PRESETS), help="of both trainings (--demo: demo)")
    add(
        "--model",
        metavar="WEIGHTS",
        help="what model 1 starts from: coco, imagenet, none or a file (default: the start weights "
        "of the demo if present, else what the preset says)",
    )
    add("--from-scratch", action="store_true", help="the demo from random weights, for longer")
    add("--quick", action="store_true", help="the demo at tiny sizes, as a test")
    add("--seed", type=whole(0), default=1, metavar="N", help="random seed")
    for name, text in (
        ("train-images", "pictures to draw for stage 1"),
        ("custom-images", "pictures to draw for stage 2"),
        ("epochs1", "epochs of stage 1"),
        ("steps1", "batches per epoch of stage 1"),
        ("epochs2", "epochs of stage 2"),
        ("steps2", "batches per epoch of stage 2"),
    ):
        add(f"--{name}", type=whole(1), metavar="N", help=text)
    add(
        "--label-arguments",
        type=shlex.split,
        metavar="TEXT",
        help="options of generateVggAnno.py, as one string (--demo: --all-garments)",
    )
    options = parser.parse_args(arguments)
    if options.data and (options.quick or options.from_scratch):
        parser.error("--quick and --from-scratch are for --demo")
    if options.resume and options.restart:
        parser.error("give --resume or --restart, not both")
    return options


def make_plan(options: argparse.Namespace) -> RunPlan:
    """The plan that the options of tools/run_pipeline.py ask for.

    Raises `UserError` for a folder or a weight file that is not there.
    """
    output = options.output.absolute()
    page = output / "index.html"
    given = tuple(options.label_arguments) if options.label_arguments is not None else None
    if options.data:
        sources = find_sources(options.data.absolute())
        size = TAKEN
        work, preset, start = output / "data", options.preset, options.model
        labelling = given or ()
    else:
        work = output / ("quick" if options.quick else "demo")
        sources = demo_sources(work / "data")
        preset = options.preset or "demo"
        start = options.model or _demo_start(options.from_scratch, preset)
        size = _demo_size(options.quick, start == "none")
        own = QUICK_LABELLING if options.quick and start == "none" else DEMO_LABELLING
        labelling = own if given is None else given
    return RunPlan(
        work=work,
        page=page,
        sources=sources,
        preset=preset,
        start=_weights(start),
        train_images=options.train_images or size.train_images,
        custom_images=options.custom_images or size.custom_images,
        stage1=_training(options.epochs1, options.steps1, size.stage1),
        stage2=_training(options.epochs2, options.steps2, size.stage2),
        label_arguments=labelling,
        seed=options.seed,
    )


def _training(epochs: int | None, steps: int | None, own: Training) -> Training:
    return replace(own, epochs=epochs or own.epochs, steps=steps or own.steps)


def _demo_start(from_scratch: bool, preset: str) -> str:
    embedded = not from_scratch and preset == "demo" and DEMO_START.is_file()
    return str(DEMO_START) if embedded else "none"


def _demo_size(quick: bool, from_scratch: bool) -> DemoSize:
    if quick:
        return QUICK
    return FROM_SCRATCH if from_scratch else FROM_START


def _weights(start: str | None) -> str | None:
    """A weight file as the commands show it; words such as coco are kept."""
    if start in (None, "coco", "imagenet", "none"):
        return start
    return shown(find_weights(start, MODANET_STAGE))
