"""The command line of the pipeline as a plan: sizes, folders, what the trainings start from."""

import argparse
from dataclasses import dataclass, replace

from fashion import DEMO_START
from fashion.pipeline_sources import demo_sources, find_sources
from fashion.pipeline_steps import RunPlan, Training, shown
from fashion.stage import MODANET_STAGE
from fashion.stages import find_weights


@dataclass(frozen=True)
class DemoSize:
    """How many pictures the demo draws for each stage, and how it trains them."""

    train_images: int
    custom_images: int
    stage1: Training
    stage2: Training


# A season label is in a ninth of the pictures, a summer one by chance in half of them.
SEASONS = Training(7, 60, 0.0007, falling=True, repeat_rare=0.4)
FROM_START = DemoSize(400, 360, Training(2, 60, 0.0002, falling=True), SEASONS)
FROM_SCRATCH = DemoSize(800, 360, Training(27, 120, falling=True), SEASONS)
QUICK = DemoSize(40, 40, Training(1, 4), Training(1, 4))
TAKEN = DemoSize(0, 0, Training(), Training())  # --data: nothing is drawn
# The season of a drawn picture holds for all it shows. Surer labels than the preset's own: a false
# one costs stage 2 more than a missing one.
DEMO_LABELLING = ("--all-garments", "--min-confidence=0.9")
# So that there are labels at all after a training of seconds.
QUICK_LABELLING = ("--all-garments", "--min-confidence=0.1", "--low-confidence=0.1")


def make_plan(options: argparse.Namespace) -> RunPlan:
    """What the options of tools/run_pipeline.py ask for.

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
    """A weight file as the commands have it; words such as coco stay."""
    if start in (None, "coco", "imagenet", "none"):
        return start
    return shown(find_weights(start, MODANET_STAGE))
