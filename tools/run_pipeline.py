#!/usr/bin/env python3
"""The whole pipeline in one command: both trainings, labels, pictures, figures, and a page of them.

    python3 tools/run_pipeline.py --demo
    python3 tools/run_pipeline.py --demo --quick
    python3 tools/run_pipeline.py --data DIR --preset=default
    python3 tools/run_pipeline.py --demo --stages=train2,evaluate2,page

--demo draws pictures to train on. DIR holds modanet/ (a COCO file and its images, or train/ and
val/ with via_region_data.json), custom/ (photographs named <garment>_<season>_<anything>) and, if
they are known, the true garments of those in custom_truth.json. Every step is a command of this
project, printed so that it can be repeated by hand. What is finished is not done again while its
settings are the same: the same call goes on after Ctrl-C, an error or a crash. At the end stands
outputs/index.html, a page with curves, figures and pictures. The demo took 22 minutes on two cores
that other trainings shared, and less where it has them to itself; --quick some three minutes (its
models find little: it shows that all works).
"""

import argparse
import shlex
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion import REPOSITORY
from fashion.commands import run
from fashion.pipeline import Pipeline, duration
from fashion.pipeline_plan import make_plan
from fashion.pipeline_steps import interpreter, pipeline_steps, shown
from fashion.presets import PRESETS
from fashion.stage import whole
from mrcnn.errors import UserError


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--demo", action="store_true", help="draw the pictures")
    source.add_argument("--data", type=Path, metavar="DIR", help="take the pictures in DIR")
    add(
        "--output",
        type=Path,
        default=REPOSITORY / "outputs",
        metavar="DIR",
        help="folder for all that is written: index.html, and the rest below demo/, quick/ or "
        "data/ (default: %(default)s)",
    )
    add(
        "--stages",
        metavar="NAME,...",
        help="only these steps: data, convert, split1, train1, test1, evaluate1, label, "
        "check-labels, split2, train2, test2, truth, evaluate2, compare, parse, page",
    )
    add("--resume", action="store_true", help="go on where the last run stopped (always done)")
    add("--restart", action="store_true", help="do all steps, or those of --stages, anew")
    add("--dry-run", action="store_true", help="print the commands, and run none")
    group = parser.add_argument_group("sizes and training")
    add = group.add_argument
    add("--preset", choices=list(PRESETS), help="of both trainings (--demo: demo)")
    add(
        "--model",
        metavar="WEIGHTS",
        help="what model 1 starts from: coco, imagenet, none or a file (default: the demo's own "
        "start weights where they are there, else what the preset says)",
    )
    add("--from-scratch", action="store_true", help="the demo from random weights, for longer")
    add("--quick", action="store_true", help="the demo with tiny sizes, to try whether all works")
    add("--seed", type=whole(0), default=1, metavar="N", help="of all that is random (1)")
    for name, text in (
        ("train-images", "pictures to draw for stage 1"),
        ("custom-images", "pictures to draw for stage 2"),
        ("epochs1", "epochs of stage 1"),
        ("steps1", "batches an epoch of stage 1"),
        ("epochs2", "epochs of stage 2"),
        ("steps2", "batches an epoch of stage 2"),
    ):
        add(f"--{name}", type=whole(1), metavar="N", help=text)
    add(
        "--label-arguments",
        type=shlex.split,
        metavar="TEXT",
        help="options of generateVggAnno.py, in one text (--demo: --all-garments)",
    )
    options = parser.parse_args(arguments)
    if options.data and (options.quick or options.from_scratch):
        parser.error("--quick and --from-scratch are for --demo")
    if options.resume and options.restart:
        parser.error("--resume and --restart exclude each other")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the steps, and say where to look."""
    options = parse_arguments(arguments)
    plan = make_plan(options)

    def write_page() -> str:
        from fashion.pipeline_page import write_page

        return f"page: {shown(write_page(plan.page, plan.work, steps))}"

    steps = pipeline_steps(plan, write_page)
    chosen = choose(options.stages, [step.name for step in steps])
    if options.dry_run:
        for step in steps:
            print(f"# {step.name}: {step.title}")
            for command in step.commands:
                print(shlex.join([interpreter(), *command.words]))
        return 0
    print(f"Commands run in {REPOSITORY}; all is written below {plan.work}")
    pipeline = Pipeline(steps, plan.work, REPOSITORY, interpreter())
    seconds = pipeline.run(chosen, restart=options.restart)
    print(f"\nAll done in {duration(seconds)}.")
    for name in ("stage1/pictures", "stage2/pictures", "compared"):
        if (plan.work / name).is_dir():
            print(f"Pictures: {plan.work / name}")
    if plan.page.exists():
        print(f"Look at:  {plan.page}")
    return 0


def choose(text: str | None, names: list[str]) -> list[str] | None:
    """The steps that a user named; None for all. Raises `UserError` for a name of none."""
    if text is None:
        return None
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in names]
    if unknown or not wanted:
        raise UserError(
            f"--stages: {', '.join(unknown) or 'nothing'} is no step of this run; those are "
            f"{', '.join(names)}."
        )
    return wanted


if __name__ == "__main__":
    sys.exit(run(main))
