"""The steps of the whole pipeline, from annotated garments to a model of season labels.

Each step is a stage script or a tool with the options that a user would give it. Paths inside the
project are relative to it, so that the printed commands can be repeated there.
"""

from collections.abc import Callable
from pathlib import Path

from fashion.annotations.locating import ANNOTATION_FILE
from fashion.pipeline.engine import Command, Step
from fashion.pipeline.plan import RunPlan, shown
from fashion.review.season_truth import write_season_truth
from fashion.stages.stage import MODANET_STAGE, SEASON_STAGE, Stage
from mrcnn.errors import counted

SCRIPTS = {
    "train1": "model1/samples/custom/trainModaNet.py",
    "test1": "model1/samples/custom/testModaNet.py",
    "label": "model1/samples/custom/generateVggAnno.py",
    "train2": "model2/samples/custom/trainSeasonData.py",
    "test2": "model2/samples/custom/testSeason.py",
}


# With --quick a model may find nothing, which the scripts report as exit code 1.
FOUND_OR_NOT = (0, 1)


def pipeline_steps(plan: RunPlan, write_page: Callable[[], str]) -> list[Step]:
    """All steps, in their order. `write_page` makes the page and says where it is."""
    steps = [*_data_steps(plan), *_stage1_steps(plan), *_label_steps(plan), *_stage2_steps(plan)]
    steps += _picture_steps(plan)
    page = Step("page", "write the page", action=write_page, outputs=(plan.page,), always=True)
    return [*steps, page]


def _data_steps(plan: RunPlan) -> list[Step]:
    sources, work = plan.sources, plan.work
    steps = [_drawing(plan)] if sources.drawn else []
    if sources.annotations is None:
        return steps
    after = tuple(step.name for step in steps)
    inputs = () if sources.drawn else (sources.annotations, sources.garments)
    via = work / "stage1" / ANNOTATION_FILE
    words = ("tools/coco_to_via.py", shown(sources.annotations), shown(via))
    title = "turn the garments' annotations into VIA"
    command = (Command(words),)
    steps.append(Step("convert", title, command, needs=after, inputs=inputs[:1], outputs=(via,)))
    dataset, images = _dataset1(plan)
    command = _split(plan, via, sources.garments, 1, dataset, images)
    title = "divide the pictures for stage 1"
    needs, outputs = (*after, "convert"), (dataset, images)
    steps.append(Step("split1", title, command, needs=needs, inputs=inputs, outputs=outputs))
    return steps


def _drawing(plan: RunPlan) -> Step:
    sources, draw = plan.sources, "tools/draw_demo.py"
    truth = [f"--truth={shown(sources.truth)}"] if sources.truth else []
    count, seed = f"--count={plan.train_images}", f"--seed={plan.seed}"
    other = (f"--count={plan.custom_images}", f"--seed={plan.seed + 1}")
    commands = (
        Command((draw, "train", shown(sources.garments), count, seed)),
        Command((draw, "custom", shown(sources.custom), *truth, *other)),
    )
    return Step("data", "draw the demo's pictures", commands, outputs=(plan.work / "data",))


def _dataset1(plan: RunPlan) -> tuple[Path, Path]:
    """Stage 1's dataset folder, and the folder of pictures held back from its training."""
    dataset = plan.sources.dataset
    if dataset:
        return dataset, dataset / plan.sources.held_back
    return plan.work / "stage1" / "dataset", plan.work / "stage1" / "images"


def _split(
    plan: RunPlan, annotations: Path, images: Path, stage: int, out: Path, test: Path
) -> tuple[Command]:
    words = ["tools/split_dataset.py", shown(annotations), shown(images), shown(out)]
    words += [f"--stage={stage}", f"--test-images={shown(test)}", "--link", f"--seed={plan.seed}"]
    if plan.sources.drawn:
        words.append("--ignore-duplicates")  # no two drawn pictures are alike
    return (Command(tuple(words)),)


def _training(
    plan: RunPlan, stage: Stage, name: str, dataset: Path, weights: Path, start: str | None
) -> Command:
    logs = weights.parent / "logs"
    length = plan.stage1 if name == "train1" else plan.stage2
    options = {
        "dataset": shown(dataset),
        "logs": shown(logs),
        "weights-out": shown(weights),
        "preset": plan.preset,
        "epochs": length.epochs,
        "steps": length.steps,
        "learning-rate": length.learning_rate,
        "lr-schedule": "cosine" if length.falling else None,
        "repeat-rare": length.repeat_rare,
        "seed": plan.seed,
    }
    words = [SCRIPTS[name], "train"]
    words += [f"--{option}={value}" for option, value in options.items() if value is not None]
    words.append("--overwrite")
    first = [f"--model={start}"] if start else []
    pattern = f"{stage.name}*/mask_rcnn_{stage.name}_*.h5"
    return Command(
        tuple(words + first),
        resumed=(*words, "--model=last"),
        started=lambda: any(logs.glob(pattern)),
    )


def _stage1_steps(plan: RunPlan) -> list[Step]:
    folder, weights = plan.work / "stage1", plan.weights1
    dataset, images = _dataset1(plan)
    sources = plan.sources
    needs = () if sources.dataset else ("split1",)
    inputs = (sources.dataset,) if sources.dataset else ()
    subset = sources.held_back if sources.dataset else "test"
    train = _training(plan, MODANET_STAGE, "train1", dataset, weights, plan.start)
    pictures = folder / "pictures"
    return [
        Step(
            "train1",
            "train model 1, garments",
            (train,),
            needs=needs,
            inputs=inputs,
            outputs=(weights,),
            keep=(folder / "logs",),
        ),
        Step(
            "test1",
            "draw what model 1 finds in pictures that were held back",
            (_testing("test1", weights, images, pictures),),
            needs=(*needs, "train1"),
            outputs=(pictures,),
        ),
        _evaluation("evaluate1", "measure model 1", 1, dataset, subset, weights, needs),
    ]


def _testing(name: str, weights: Path, images: Path, pictures: Path) -> Command:
    options = (f"--model={shown(weights)}", f"--images={shown(images)}")
    words = (SCRIPTS[name], *options, f"--output={shown(pictures)}")
    return Command(words, accepted=FOUND_OR_NOT)


def _evaluation(
    name: str,
    title: str,
    stage: int,
    dataset: Path,
    subset: str,
    weights: Path,
    needs: tuple[str, ...],
) -> Step:
    figures, found = weights.parent / "evaluation.json", weights.parent / "detections.json"
    report = weights.parent / "report"
    words = (
        "tools/evaluate.py",
        f"--stage={stage}",
        f"--dataset={shown(dataset)}",
        f"--subset={subset}",
        f"--model={shown(weights)}",
        "--confusion",
        f"--detections={shown(found)}",
        f"--json={shown(figures)}",
        f"--report={shown(report)}",
    )
    needs = (*needs, f"train{stage}")
    return Step(name, title, (Command(words),), needs=needs, outputs=(figures, found, report))


def _label_steps(plan: RunPlan) -> list[Step]:
    sources, folder = plan.sources, plan.work / "labels"
    drawn = ("data",) if sources.drawn else ()
    inputs = () if sources.drawn else (sources.custom,)
    words = [SCRIPTS["label"], f"--images={shown(sources.custom)}"]
    words += [f"--model={shown(plan.weights1)}", f"--output={shown(plan.labels)}"]
    words += [f"--previews={shown(folder / 'pictures')}", *plan.label_arguments]
    label = Step(
        "label",
        "label the custom pictures with model 1",
        (Command(tuple(words)),),
        needs=(*drawn, "train1"),
        inputs=inputs,
        outputs=(folder,),
    )
    if not sources.truth:
        return [label]
    quality, worst = plan.work / "label_quality" / "quality.json", plan.work / "label_quality"
    words = ["tools/compare_labels.py", shown(plan.labels), shown(sources.truth)]
    words += [f"--images={shown(sources.custom)}", f"--json={shown(quality)}"]
    words += [f"--output={shown(worst)}"] + ["--all-garments"] * plan.all_garments
    check = Step(
        "check-labels",
        "compare the automatic labels with the truth",
        (Command(tuple(words)),),
        needs=("label",),
        inputs=() if sources.drawn else (sources.truth,),
        outputs=(worst, quality),
    )
    return [label, check]


def _stage2_steps(plan: RunPlan) -> list[Step]:
    folder, weights, custom = plan.work / "stage2", plan.weights2, plan.sources.custom
    dataset, images, pictures = folder / "dataset", plan.season_images, folder / "pictures"
    train = _training(plan, SEASON_STAGE, "train2", dataset, weights, shown(plan.weights1))
    steps = [
        Step(
            "split2",
            "divide the labelled pictures for stage 2",
            _split(plan, plan.labels, custom, 2, dataset, images),
            needs=("label",),
            outputs=(dataset, images),
        ),
        Step(
            "train2",
            "train model 2, season labels",
            (train,),
            needs=("split2", "train1"),
            outputs=(weights,),
            keep=(folder / "logs",),
        ),
        Step(
            "test2",
            "draw what model 2 finds in pictures that were held back",
            (_testing("test2", weights, images, pictures),),
            needs=("split2", "train2"),
            outputs=(pictures,),
        ),
    ]
    return steps + _measuring2(plan, dataset, weights)


def _measuring2(plan: RunPlan, dataset: Path, weights: Path) -> list[Step]:
    """Stage 2 is measured by the truth if it is known, else by the automatic labels."""
    truth, images = plan.sources.truth, plan.season_images
    if not truth:
        title = "measure model 2 against the automatic labels"
        return [_evaluation("evaluate2", title, 2, dataset, "test", weights, ("split2",))]
    folder = plan.work / "stage2" / "truth"

    def write_truth() -> str:
        pictures, instances = write_season_truth(
            truth, images, folder / "test", all_garments=plan.all_garments
        )
        counts = f"{counted(pictures, 'picture')}, {counted(instances, 'instance')}"
        return f"{shown(folder / 'test')}: {counts}"

    step = Step(
        "truth",
        "write the true season labels of the pictures that were held back",
        action=write_truth,
        settings=plan.all_garments,
        needs=("split2",),
        inputs=() if plan.sources.drawn else (truth,),
        outputs=(folder,),
    )
    title = "measure model 2 against the truth"
    return [step, _evaluation("evaluate2", title, 2, folder, "test", weights, ("truth",))]


def _picture_steps(plan: RunPlan) -> list[Step]:
    compared, parsed = plan.work / "compared", plan.work / "parsed"
    images = f"--images={shown(plan.season_images)}"
    models = [f"--model{n}={shown(w)}" for n, w in ((1, plan.weights1), (2, plan.weights2))]
    compare = Command(("tools/compare_models.py", images, f"--output={shown(compared)}", *models))
    clothing = f"--clothing={shown(plan.weights1)}"
    parse = Command(
        (
            "tools/parse_clothing.py",
            shown(plan.season_images),
            clothing,
            f"--output={shown(parsed)}",
            "--limit=12",
        ),
        accepted=FOUND_OR_NOT,
    )
    return [
        Step(
            "compare",
            "draw both models side by side",
            (compare,),
            needs=("split2", "train1", "train2"),
            outputs=(compared,),
        ),
        Step(
            "parse",
            "parse clothing: masks and superpixels",
            (parse,),
            needs=("split2", "train1"),
            outputs=(parsed,),
        ),
    ]
