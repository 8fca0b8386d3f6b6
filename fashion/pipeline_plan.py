"""The command line of the pipeline as a plan: sizes, folders, what the trainings start from."""

import argparse
from dataclasses import dataclass

from fashion.pipeline_sources import demo_sources, find_sources
from fashion.pipeline_steps import DEMO_START, RunPlan, Training, shown
from fashion.stages import MODANET_STAGE, find_weights


@dataclass(frozen=True)
class DemoSize:
    """How much the demo draws, and how long it trains; a rate of None is the preset's."""

    train_images: int
    custom_images: int
    epochs1: int
    steps1: int
    rate1: float | None
    epochs2: int
    steps2: int
    rate2: float | None


FROM_START = DemoSize(400, 360, 4, 60, 0.0003, 7, 60, 0.0005)
FROM_SCRATCH = DemoSize(800, 360, 27, 120, None, 10, 60, 0.0005)
QUICK = DemoSize(40, 40, 1, 4, None, 1, 4, None)
TAKEN = DemoSize(0, 0, None, None, None, None, None, None)  # --data: nothing is drawn
DEMO_LABELLING = ("--all-garments",)  # the season of a drawn picture holds for all it shows
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
        stage1=Training(options.epochs1 or size.epochs1, options.steps1 or size.steps1, size.rate1),
        stage2=Training(options.epochs2 or size.epochs2, options.steps2 or size.steps2, size.rate2),
        label_arguments=labelling,
        seed=options.seed,
    )


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
