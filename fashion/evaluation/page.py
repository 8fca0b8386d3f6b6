"""The page of an evaluation: one self-contained HTML file, pictures embedded.

It needs no server and no network. It looks like the pipeline's page, whose style and script it
uses.
"""

import html
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from fashion.evaluation.charts import DOTS
from fashion.evaluation.findings import findings
from fashion.evaluation.numbers import EvaluationNumbers
from fashion.evaluation.pictures import describe
from fashion.html.charts import bar_cell, cell, confusion_table, number, table
from fashion.html.gallery import WIDE, picture
from fashion.html.page import embedded, fill, link, page_file
from fashion.json_files import write_text
from fashion.pictures.listing import image_size
from mrcnn.errors import counted
from mrcnn.evaluation.curves import Curve
from mrcnn.evaluation.matches import ImageQuality

CSS_PIXELS = 96  # per inch, by definition
WIDE_CHART = 560  # a wider one is scrolled sideways on a telephone
FIGURES = (
    ("AP", "AP"),
    ("AP50", "AP50"),
    ("AP75", "AP75"),
    ("AP_small", "AP, small"),
    ("AP_medium", "AP, medium"),
    ("AP_large", "AP, large"),
    ("AR_1", "AR, 1 a class"),
    ("AR_10", "AR, 10 a class"),
    ("AR_100", "AR, 100 a class"),
)
SIZES = (("AP_small", "small"), ("AP_medium", "medium"), ("AP_large", "large"))


def write_page(
    page: Path,
    numbers: EvaluationNumbers,
    pictures: Mapping[str, Sequence[tuple[ImageQuality, Path]]],
    about: str = "",
) -> Path:
    """Write the page, whole or not at all; return its path.

    page: in the folder that holds the charts of `fashion.evaluation.report.write_charts`.
    pictures: under "best" and "worst", images and their drawn files. about: model and
    data, as a sentence. Raises `UserError` when it cannot be written.
    """
    write_text(page, page_text(page, numbers, pictures, about))
    return page


def page_text(
    page: Path,
    numbers: EvaluationNumbers,
    pictures: Mapping[str, Sequence[tuple[ImageQuality, Path]]],
    about: str = "",
) -> str:
    """The page as HTML; see `write_page`."""
    matches = numbers.matches
    today = datetime.now().astimezone().strftime("%Y-%m-%d")
    subject = (
        f"{about + ' ' if about else ''}Measured on {today}: "
        f"{counted(len(matches.images), 'picture')} with "
        f"{counted(int(matches.instances.sum()), 'instance')}, "
        f"{counted(len(matches.scores), 'detection')}. Precision, recall, confusion matrix and IoU "
        f"count detections scored {matches.score:g} or more."
    )
    parts = {
        "STYLE": "\n" + page_file("pipeline.css") + page_file("evaluation.css"),
        "SCRIPT": "\n" + page_file("pipeline.js"),
        "SUBJECT": html.escape(subject),
        "HEADLINES": _headlines(numbers),
        "FINDINGS": _findings(numbers),
        "FIGURES": _figures(numbers),
        "CLASSES": _classes(page, numbers),
        "CURVES": _curves(page),
        "CONFUSION": _confusion(page, numbers),
        "SEASONLINK": "" if numbers.seasons is None else '<a href="#seasons">Seasons</a>',
        "SEASONS": "" if numbers.seasons is None else _seasons(page, numbers.seasons),
        "SCORES": _chart(page, "calibration", "Share of right detections by their score"),
        "OUTLINES": _chart(page, "iou", "How many instances by the IoU of their mask"),
        "WORST": _gallery(page, numbers, pictures["worst"]),
        "BEST": _gallery(page, numbers, pictures["best"]),
    }
    return fill(page_file("evaluation.html"), parts)


def _headlines(numbers: EvaluationNumbers) -> str:
    masks, boxes = numbers.figures["segm"], numbers.figures["bbox"]
    at = numbers.pooled[0.5].at_score
    rows = [
        ("Masks", number(masks.get("AP50")), "AP50"),
        ("Masks", number(masks.get("AP")), "AP"),
        ("Boxes", number(boxes.get("AP")), "AP"),
        ("Of the detections", number(at and at.precision), "are right"),
        ("Of the instances", number(at and at.recall), "are found"),
    ]
    if numbers.seasons:
        counts = numbers.seasons["counts"]
        garments = counts["both_right"] + counts["garment_right_season_wrong"]
        share = counts["both_right"] / garments if garments else None
        rows.append(("Of the right garments", number(share), "have the right season"))
    return "".join(
        f"<div><dt>{name}</dt><dd><b>{value}</b> {unit}</dd></div>" for name, value, unit in rows
    )


def _findings(numbers: EvaluationNumbers) -> str:
    sentences = findings(numbers)
    if not sentences:
        return '<p class="none">There is nothing to measure.</p>'
    items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)
    return f'<ul class="findings">{items}</ul>'


def _figures(numbers: EvaluationNumbers) -> str:
    boxes, masks = numbers.figures["bbox"], numbers.figures["segm"]
    rows = [
        [text, bar_cell(boxes.get(name), 3), bar_cell(masks.get(name), 3)]
        for name, text in FIGURES
        if name in masks
    ]
    caption = (
        "The mean of all classes that occur; a dash where there is nothing to measure. AP is "
        "the mean over IoUs from .50 to .95; small is below 32 x 32 pixels, large 96 x 96 or more; "
        "AR is the average recall with at most so many detections of a class in an image."
    )
    return table(["", "boxes", "masks"], rows, caption, "figures")


def _classes(page: Path, numbers: EvaluationNumbers) -> str:
    about = "Bars of average precision of each class"
    return (
        _chart(page, "classes", about, "The tick is AP50 of the boxes.")
        + _class_table(numbers)
        + _size_table(numbers)
    )


def _class_table(numbers: EvaluationNumbers) -> str:
    masks = numbers.figures["segm"].get("per_class", {})
    boxes = numbers.figures["bbox"].get("per_class", {})
    order = sorted(
        enumerate(numbers.names), key=lambda item: masks.get(item[1], {}).get("AP50", -1)
    )
    score = f"{numbers.matches.score:g}"
    head = ["class", "instances", "mask AP50", "mask AP75", "mask AP", "box AP50", "best score",
            "its F1", f"precision from {score}", f"recall from {score}"]  # fmt: skip
    rows = []
    for index, name in order:
        mask, curve = masks.get(name, {}), numbers.curves[0.5][index]
        ap75 = mask.get("AP75", numbers.curves[0.75][index].ap)
        aps = (mask.get("AP50"), ap75, mask.get("AP"), boxes.get(name, {}).get("AP50"))
        rows.append(
            [name, cell(curve.instances), *(bar_cell(ap) for ap in aps), *_point_cells(curve)]
        )
    caption = (
        "The worst class first. Best score: where precision and recall are best together (F1); "
        "detections below it do more harm than good. A match overlaps by an IoU of .5 or more."
    )
    return table(head, rows, caption, "figures classes")


def _point_cells(curve: Curve) -> list[str]:
    best, at = curve.best, curve.at_score
    return [
        cell(number(best and best.score)),
        cell(number(best and best.f1)),
        cell(number(at and at.precision)),
        cell(number(at and at.recall)),
    ]


def _size_table(numbers: EvaluationNumbers) -> str:
    """Mask AP of each class by the size of its instances, if that has been measured."""
    per_class = numbers.figures["segm"].get("per_class", {})
    if not any(name in row for row in per_class.values() for name, _ in SIZES):
        return ""
    rows = [
        [name, *(bar_cell(row.get(figure)) for figure, _ in SIZES)]
        for name, row in per_class.items()
    ]
    caption = (
        "Mask AP by the area of the instances: small is below 32 x 32 pixels, large 96 x 96 or "
        "more. Low for the small ones only: larger images or smaller anchors help."
    )
    content = table(["class", *(text for _, text in SIZES)], rows, caption, "figures")
    return f"<details><summary>By size</summary>{content}</details>"


def _curves(page: Path) -> str:
    charts = "".join(
        _chart(page, f"precision_recall_{iou}", f"Precision over recall at an IoU of .{iou}")
        for iou in (50, 75)
    )
    classes = _chart(
        page,
        "precision_recall_classes",
        "Precision over recall of each class",
        "AP at an IoU of .5 and of .75. The dot is the score of the best F1.",
    )
    return (
        f'<div class="charts">{charts}</div>'
        f"<details open><summary>Each class</summary>{classes}</details>"
    )


def _confusion(page: Path, numbers: EvaluationNumbers) -> str:
    whole = confusion_table(numbers.confusion, numbers.colours)
    return f"{whole}<p>{_file_link(page, 'confusion.png', 'This table as a picture')}</p>"


def _seasons(page: Path, seasons: Mapping[str, Any]) -> str:
    labels = (
        ("both_right", "garment and season right"),
        ("garment_right_season_wrong", "garment right, season wrong"),
        ("season_right_garment_wrong", "season right, garment wrong"),
        ("both_wrong", "both wrong"),
        ("missed", "missed"),
    )
    counts = seasons["counts"]
    total = sum(counts[name] for name, _ in labels)
    rows = [
        [text, cell(counts[name]), bar_cell(counts[name] / total if total else None)]
        for name, text in labels
    ]
    caption = f"False positives: {counted(counts['false'], 'detection')} without a match."
    parts = [
        table(["", "instances", "share"], rows, caption, "figures"),
        "<p>Where the garment is right and the season wrong, the two seasons' pictures are too "
        "few or too much alike. Where garments are confused whatever the season, look at the "
        "garments first.</p>",
        _chart(
            page,
            "garment_seasons",
            "The season that was found, by label",
            "Green: garment and season right. Orange in a season's column: the right garment in "
            "the wrong season.",
        ),
        _season_pairs(seasons["pairs"]),
        '<div class="matrices">',
        _chart(page, "seasons", "Confusion of seasons"),
        _chart(page, "garments", "Confusion of garments"),
        "</div>",
    ]
    return f'<section id="seasons"><h2>Garment and season</h2>{"".join(parts)}</section>'


def _season_pairs(pairs: Sequence[Sequence[Any]]) -> str:
    rows = [[true, cell(found), cell(count)] for true, found, count in pairs]
    if not rows:
        return ""
    caption = "The right garment in the wrong season, the most frequent first."
    content = table(["is", "was found as", "times"], rows, caption, "figures")
    return f"<details><summary>Right garment, wrong season</summary>{content}</details>"


def _gallery(
    page: Path, numbers: EvaluationNumbers, pictures: Sequence[tuple[ImageQuality, Path]]
) -> str:
    if not pictures:
        return '<p class="none">There is no such picture.</p>'
    figures = []
    for image, path in pictures:
        name = numbers.files.get(image.image_id, path.stem)
        about = f"{describe(image)}, mean IoU {number(image.mean_iou)}"
        drawn = picture(path, page, WIDE, f"Truth and detections of {name}")
        caption = f"<b>{html.escape(name)}</b> {html.escape(about)}"
        figures.append(f"<figure>{drawn}<figcaption>{caption}</figcaption></figure>")
    return f'<div class="gallery pairs">{"".join(figures)}</div>'


def _chart(page: Path, name: str, about: str, caption: str = "") -> str:
    """A chart of the page's folder, embedded at the size it was drawn for."""
    path = page.with_name(f"{name}.png")
    data = path.read_bytes()
    wide, tall = (round(length * CSS_PIXELS / DOTS) for length in image_size(path))
    kind = f' wide" style="--own: {wide}px' if wide > WIDE_CHART else ""
    note = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return (
        f'<figure class="drawn{kind}"><div class="frame" tabindex="0">'
        f'<a class="picture" href="{link(path, page)}">'
        f'<img src="{embedded(data, "png")}" width="{wide}" '
        f'height="{tall}" alt="{html.escape(about, quote=True)}"></a></div>{note}</figure>'
    )


def _file_link(page: Path, name: str, text: str) -> str:
    return f'<a href="{link(page.with_name(name), page)}">{html.escape(text)}</a>'
