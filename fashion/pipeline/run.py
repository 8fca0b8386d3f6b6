"""Run the whole pipeline: both trainings, labels, pictures, figures, and a page that shows them.

    %(prog)s --demo
    %(prog)s --demo --quick
    %(prog)s --data DIR --preset=default
    %(prog)s --demo --stages=train2,evaluate2,page

--demo draws the pictures to train on. DIR holds modanet/ (a COCO file and its images, or train/ and
val/ with via_region_data.json), custom/ (photographs named <garment>_<season>_<anything>) and, if
known, their true garments in custom_truth.json. Every step is a command of this project, printed so
that it can be repeated by hand. A finished step is skipped while its settings stay the same: after
Ctrl-C, an error or a crash the same command resumes. The result is outputs/index.html, a page of
curves, figures and pictures. The demo takes eleven minutes on two idle cores, twice that on busy
ones; --quick takes about three (its models find little: it only shows that everything runs).
"""

import shlex

from fashion import REPOSITORY
from fashion.pipeline.command import make_plan, parse_arguments
from fashion.pipeline.engine import Pipeline, duration
from fashion.pipeline.plan import interpreter, shown
from fashion.pipeline.process import invocation
from fashion.pipeline.steps import pipeline_steps
from mrcnn.errors import UserError

DEMO_NOTE = (
    "The demo downloads nothing. It takes eleven minutes on two idle cores, twice that on busy "
    "ones, and 650 MB of disk; --quick takes about three minutes."
)
QUICK_NOTE = "This takes about three minutes on two idle cores; the models will find little."


def demo(arguments: list[str], prog: str | None = None) -> int:
    """The pipeline with --demo."""
    return main(["--demo", *arguments], prog)


def main(arguments: list[str] | None = None, prog: str | None = None) -> int:
    """Run the steps and print where the results are."""
    options = parse_arguments(__doc__ or "", arguments, prog)
    plan = make_plan(options)

    def write_page() -> str:
        from fashion.pipeline.page import write_page

        return f"page: {shown(write_page(plan.page, plan.work, steps))}"

    steps = pipeline_steps(plan, write_page)
    chosen = choose(options.stages, [step.name for step in steps])
    if options.dry_run:
        for step in steps:
            print(f"# {step.name}: {step.title}")
            for command in step.commands:
                print(shlex.join([interpreter(), *invocation(command.words)]))
        return 0
    if options.demo:
        print(QUICK_NOTE if options.quick else DEMO_NOTE)
    print(f"Commands run in {REPOSITORY}; results go to {plan.work}")
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
    """The steps that a user named; None for all. Raises `UserError` for an unknown name."""
    if text is None:
        return None
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in names]
    if unknown or not wanted:
        raise UserError(
            "--stages names a step that this run does not have",
            expected=f"some of {', '.join(names)}",
            found=", ".join(unknown) or "nothing",
        )
    return wanted
