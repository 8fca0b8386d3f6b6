"""The page at the end of the pipeline: one self-contained HTML file of figures and pictures.

It needs no server and no network: pictures are embedded as JPEG thumbnails, charts as SVG. Where a
run has not done something, the page says so.
"""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fashion import DEMO_START
from fashion.html.charts import (
    NOTHING,
    bar_cell,
    cell,
    confusion_table,
    line_chart,
    number,
    table,
)
from fashion.html.gallery import INDEX, WIDE, gallery, picture, write_gallery
from fashion.html.page import fill, link, page_file
from fashion.json_files import write_text
from fashion.labels import MODANET_TABLE, SEASON_TABLE, SEASONS, ClassTable
from fashion.pipeline.engine import Step, duration
from fashion.pipeline.results import RunResults, StageResult, StepResult, gather_results
from mrcnn.errors import counted

SHOWN_PAIRS, SHOWN_PICTURES, SHOWN_WORST = 4, 4, 2
LEAST_EPOCHS = 2  # a training of fewer is a mere test of the flow, as with --quick
LOSS_PARTS = {
    "rpn_class_loss": "anchors: garment or not",
    "rpn_bbox_loss": "anchors: boxes",
    "mrcnn_class_loss": "classes",
    "mrcnn_bbox_loss": "boxes",
    "mrcnn_mask_loss": "masks",
}
STATUS = {"finished": "", "failed": "failed", "stopped": "interrupted", "running": "not finished"}


def write_page(page: Path, work: Path, steps: Iterable[Step]) -> Path:
    """Write the page of the run in the folder `work`, whole or not at all; return the path.

    steps: of the run; the page's own is not shown. Raises `UserError` when it cannot be written.
    """
    titles = [(step.name, step.title) for step in steps if step.name != "page"]
    results = gather_results(work, titles)
    _write_galleries(results)
    write_text(page, page_text(results, page))
    return page


def _write_galleries(results: RunResults) -> None:
    """A gallery for each folder of pictures whose command has not written one."""
    one, two = results.stages
    folders = (
        (one.pictures, "What model 1 finds"),
        (two.pictures, "What model 2 finds"),
        (results.compared, "Model 1 on the left, model 2 on the right"),
        (results.label_pictures, "Automatic labels"),
        (results.worst_labels, "Ground truth on the left, automatic labels on the right"),
        (results.parsed, "Clothing parsing"),
    )
    for pictures, title in folders:
        if pictures and not pictures[0].with_name(INDEX).exists():
            write_gallery(pictures, title)


def page_text(results: RunResults, page: Path) -> str:
    """The page as HTML. page: where it will be, for the links."""
    one, two = results.stages
    parts = {
        "STYLE": f"\n{page_file('pipeline.css')}",
        "SCRIPT": f"\n{page_file('pipeline.js')}",
        "HERO": _hero(results, page),
        "HEADLINES": _headlines(results),
        "INTRO": _intro(results),
        "LEGEND": ", ".join(f"<b>{code}</b> {season}" for code, season in SEASONS.items()),
        "PAIRS": _pairs(results, page),
        "MODEL1": _model(results, one, MODANET_TABLE, 1, page),
        "LABELS": _labels(results, page),
        "MODEL2": _model(results, two, SEASON_TABLE, 2, page),
        "PARSED": _parsed(results, page),
        "STEPS": _steps(results),
        "FOLDERS": _folders(results, page),
    }
    return fill(page_file("pipeline.html"), parts)


def _intro(results: RunResults) -> str:
    """What the pictures are, and what the training started from."""
    if not results.drawn:
        return "The pictures are yours."
    text = (
        "The pictures on this page are drawn, not photographed; the figures say nothing about "
        "photographs."
    )
    step = results.step("train1")
    if step is not None and any(DEMO_START.name in command for command in step.commands):
        text += (
            " Model 1 does not start from nothing: its start weights were trained before, for two "
            "hours, on other drawings."
        )
    if any(0 < len(stage.history) < LEAST_EPOCHS for stage in results.stages):
        text += " This was a quick run: it shows that everything works, not what can be learnt."
    return text


def _none(text: str) -> str:
    return f'<p class="none">{html.escape(text)}</p>'


def _hero(results: RunResults, page: Path) -> str:
    candidates = (results.compared, results.stages[1].pictures, results.stages[0].pictures)
    chosen = next((paths for paths in candidates if paths), None)
    if not chosen:
        return ""
    # The busiest picture: it is the largest file.
    path = max(chosen, key=lambda p: p.stat().st_size)
    return picture(path, page, WIDE, f"What the models find on {path.stem}")


def _headlines(results: RunResults) -> str:
    one, two = results.stages
    quality = results.quality.get("all", {})
    rows = [
        ("Model 1, garments", _ap50(one), "mask AP50"),
        ("Automatic labels", _percent(quality.get("precision")), "of them are right"),
        ("Garments labelled", _percent(quality.get("recall")), "of those that are there"),
        ("Model 2, season labels", _ap50(two), "mask AP50"),
        ("All steps", _rough(results.seconds), "together"),
    ]
    return "".join(
        f"<div><dt>{name}</dt><dd><b>{html.escape(value)}</b> {unit}</dd></div>"
        for name, value, unit in rows
        if value != NOTHING
    )


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.0f} %"


def _rough(seconds: float) -> str:
    if seconds < 90:
        return duration(seconds)
    return duration(60 * round(seconds / 60)).removesuffix(" 0 s")


def _ap50(stage: StageResult) -> str:
    return number(stage.figures.get("segm", {}).get("AP50"))


def _pairs(results: RunResults, page: Path) -> str:
    if not results.compared:
        return _none("The two models were not compared in this run.")
    about = "Model 1 on the left, model 2 on the right"
    return gallery(results.compared, page, "pairs", about, SHOWN_PAIRS)


def _model(
    results: RunResults, stage: StageResult, classes: ClassTable, which: int, page: Path
) -> str:
    curves, parts_of_loss = _curves(stage.history)
    whole, of_classes = _precision(stage.figures)
    by = f"<p>Measured by {_measured_by(results, which)}.</p>" if of_classes else ""
    parts = [
        _took(results, f"train{which}", "trained in"),
        f'<div class="halves"><div><h3>Loss</h3>{curves}{parts_of_loss}</div>',
        f"<div><h3>Average precision</h3>{by}{whole}</div></div>",
        f"<details><summary>Each class</summary>{of_classes}</details>" if of_classes else "",
    ]
    if confusion := stage.figures.get("confusion"):
        matrix = confusion_table(confusion, _colours(classes))
        parts.append(f"<details><summary>Confusion matrix</summary>{matrix}</details>")
    else:
        parts.append(_none("Confusions were not counted in this run."))
    parts.append("<h3>On pictures that were held back</h3>")
    about = f"What model {which} finds"
    pictures = gallery(stage.pictures, page, "singles", about, SHOWN_PICTURES)
    parts.append(pictures if stage.pictures else _none("None drawn in this run."))
    return "".join(parts)


def _measured_by(results: RunResults, which: int) -> str:
    if which == 1:
        return "the annotations of pictures that were held back"
    if results.by_truth:
        return "the truth of pictures that were held back, which no model has seen"
    return (
        "the automatic labels of pictures that were held back, as the truth is unknown: labels "
        "that model 1 got wrong count as right"
    )


def _took(results: RunResults, name: str, word: str) -> str:
    step = results.step(name)
    if step is None or not step.status:
        return ""
    note = STATUS.get(step.status, step.status)
    note = f", {note}" if note else ""
    return f'<p class="took">{word} {duration(step.seconds)}{note}</p>'


def _curves(history: Sequence[dict[str, float]]) -> tuple[str, str]:
    """The chart of the total loss, and those of its parts."""
    if not history:
        return _none("No epoch was trained in this run."), ""

    def curve(name: str, title: str) -> str:
        def points(column: str) -> list[tuple[float, float]]:
            return [(row["epoch"], row[column]) for row in history if column in row]

        both = [("training", "train", points(name)), ("validation", "val", points(f"val_{name}"))]
        return line_chart(title, both)

    parts = "".join(
        curve(name, title)
        for name, title in LOSS_PARTS.items()
        if any(name in row for row in history)
    )
    if parts:
        parts = (
            "<details><summary>The five parts of the loss</summary>"
            f'<div class="parts">{parts}</div></details>'
        )
    return curve("loss", "Total loss"), parts


def _precision(figures: dict[str, Any]) -> tuple[str, str]:
    """The table of all classes together, and that of each class."""
    if not figures.get("segm"):
        return _none("Not measured in this run."), ""
    boxes, masks = figures["bbox"], figures["segm"]
    rows = [
        [text, bar_cell(boxes.get(name), 3), bar_cell(masks.get(name), 3)]
        for name, text in (
            ("AP", "AP (IoU .50 to .95)"),
            ("AP50", "AP50"),
            ("AP75", "AP75"),
            ("AR_100", "average recall"),
        )
    ]
    whole = table(
        ["", "boxes", "masks"], rows, "COCO's figures, the mean over all classes.", "figures"
    )
    order = sorted(masks["per_class"], key=lambda name: -masks["per_class"][name].get("AP50", -1))
    rows = [
        [
            name,
            *(
                bar_cell(kind.get("per_class", {}).get(name, {}).get(figure))
                for kind in (masks, boxes)
                for figure in ("AP50", "AP")
            ),
        ]
        for name in order
    ]
    head = ["class", "mask AP50", "mask AP", "box AP50", "box AP"]
    caption = "Each class, the best first; a dash where there was none to find."
    return whole, table(head, rows, caption, "figures classes")


def _labels(results: RunResults, page: Path) -> str:
    totals, quality = results.labels, results.quality
    parts = [_took(results, "label", "labelled in")]
    if not totals:
        parts.append(_none("Nothing was labelled in this run."))
    else:
        left = sum(totals.get("left_out", {}).values())
        text = (
            f"{totals.get('labelled', 0)} of {counted(totals.get('images', 0), 'picture')} got "
            f"{counted(totals.get('instances', 0), 'label')} from model 1; skipped: {left}."
        )
        parts.append(f"<p>{html.escape(text)}</p>")
    parts.append(_label_table(totals.get("labels", {}), quality))
    if results.label_pictures:
        parts.append("<h3>Examples</h3>")
        about = "Automatic labels"
        parts.append(gallery(results.label_pictures, page, "singles", about, SHOWN_PICTURES))
    if results.worst_labels:
        parts.append(
            "<h3>The worst</h3><p>Ground truth on the left, automatic labels on the right; red is "
            "missed or wrong.</p>"
        )
        about = "The truth on the left, automatic labels on the right"
        parts.append(gallery(results.worst_labels, page, "pairs", about, SHOWN_WORST))
    return "".join(parts)


def _label_table(labels: dict[str, Any], quality: dict[str, Any]) -> str:
    if quality.get("labels"):
        return _quality_tables(quality)
    if not labels:
        return ""
    order = sorted(labels.items(), key=lambda item: -item[1].get("instances", 0))
    rows = [
        [name, cell(row.get("images", 0)), cell(row.get("instances", 0)),
         bar_cell(row.get("mean_score"))]
        for name, row in order
    ]  # fmt: skip
    caption = "Automatic labels. The truth of these pictures is unknown."
    return table(["label", "pictures", "labels", "mean score"], rows, caption, "figures")


def _quality_tables(quality: dict[str, Any]) -> str:
    """The labels that model 2 is trained on, and all together; the others in a folded table."""
    rows = sorted(quality["labels"].items(), key=lambda item: -item[1].get("truth", 0))
    trained = [_quality_row(*item) for item in rows if item[0] in SEASON_TABLE.names]
    others = [_quality_row(*item) for item in rows if item[0] not in SEASON_TABLE.names]
    head = ["label", "in truth", "labelled", "precision", "recall", "mean IoU"]
    caption = (
        "Automatic labels against the truth: those that model 2 is trained on, the most frequent "
        "first, and all together. A label is right when its mask overlaps the true one with an IoU "
        "of .5 or more; the mean IoU is that of the right ones."
    )
    whole = _quality_row("all labels", quality.get("all", {}))
    text = table(head, [*trained, whole], caption, "figures quality")
    if others:
        more = table(head, others, "Labels that model 2 is not trained on.", "figures")
        text += (
            f"<details><summary>{_counted(len(others), 'other label')}</summary>{more}</details>"
        )
    return text


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _quality_row(name: str, row: dict[str, Any]) -> list[str]:
    shares = (bar_cell(row.get(figure)) for figure in ("precision", "recall", "mean_iou"))
    return [name, cell(row.get("truth", 0)), cell(row.get("auto", 0)), *shares]


def _parsed(results: RunResults, page: Path) -> str:
    if not results.parsed:
        return ""
    pictures = gallery(results.parsed, page, "pairs", "Clothing parsing", SHOWN_WORST)
    text = "The picture, body, garments, superpixels; one label per pixel, without and with these."
    return f'<section id="parsing"><h2>Clothing parsing</h2><p>{text}</p>{pictures}</section>'


def _steps(results: RunResults) -> str:
    most = max((step.seconds for step in results.steps), default=0.0) or 1.0
    return "".join(_step(step, most) for step in results.steps)


def _step(step: StepResult, most: float) -> str:
    kind = html.escape(step.status or "open", quote=True)
    commands = "".join(
        f'<div class="command"><pre><code>{_unbroken(command)}</code></pre></div>'
        for command in step.commands
    )
    title = html.escape(step.title)
    return f'<li class="{kind}"><h3>{title}</h3>{_step_time(step, most)}{commands}</li>'


def _unbroken(command: str) -> str:
    """A command whose lines break between words, not at hyphens."""
    return " ".join(f"<span>{html.escape(word)}</span>" for word in command.split(" "))


def _step_time(step: StepResult, most: float) -> str:
    if not step.status:
        return '<p class="time">not done</p>'
    note = STATUS.get(step.status, step.status)
    text = duration(step.seconds) + (f", {note}" if note else "")
    share = step.seconds / most
    return f'<p class="time" style="--share:{share:.3f}"><span>{html.escape(text)}</span></p>'


def _folders(results: RunResults, page: Path) -> str:
    places = (
        ("compared", "both models side by side, a contact sheet"),
        ("stage1/report/index.html", "model 1: curves, confusion, best and worst pictures"),
        ("stage2/report/index.html", "model 2: the same, and which seasons were confused"),
        ("stage1/pictures", "what model 1 finds"),
        ("stage2/pictures", "what model 2 finds"),
        ("labels/pictures", "photographs with their automatic labels"),
        ("label_quality", "the worst labels beside the truth, the figures as JSON"),
        ("parsed", "clothing parsing"),
        ("stage1/logs", "model 1: checkpoints, history.csv, TensorBoard events"),
        ("stage2/logs", "model 2: the same"),
        ("stage1/mask_rcnn_Modanet.h5", "weights of model 1"),
        ("stage2/mask_rcnn_Season.h5", "weights of model 2"),
        ("step_logs", "what each step printed"),
    )
    rows = []
    for place, text in places:
        path = results.folder / place
        if path.exists():
            target = path / INDEX if (path / INDEX).exists() else path
            rows.append(f'<li><a href="{link(target, page)}">{place}</a> {text}</li>')
    return "".join(rows)


def _colours(classes: ClassTable) -> dict[str, str]:
    return {row.name: "#{:02x}{:02x}{:02x}".format(*row.colour) for row in classes}
