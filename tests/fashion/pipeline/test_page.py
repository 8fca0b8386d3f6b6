"""The pipeline's page of made-up results: as text, and in a browser where Chromium is installed."""

import csv
import json
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from fashion.html.charts import bar_cell, confusion_table, line_chart, number, table, ticks
from fashion.labels import MODANET_TABLE, SEASON_TABLE
from fashion.pipeline.engine import Command, Step
from fashion.pipeline.page import write_page
from fashion.pipeline.results import gather_results
from mrcnn.errors import UserError
from tests.fashion.chromium import Chromium
from tests.fashion.factories import write_json

NASTY = '<img src=x onerror="document.title=1"> & \'"</script>'
NASTY_FILE = "<b onclick='1'>&\" %23#?.png"
STEPS = [
    Step("train1", "train model 1", (Command(("a.py",)),)),
    Step("label", f"label {NASTY}"),
    Step("train2", "train model 2"),
    Step("page", "write the page", action=lambda: ""),
]


def picture(path, width=60, height=80, noise=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3)) if noise else 128
    _, data = cv2.imencode(".png", np.full((height, width, 3), values, np.uint8))
    path.write_bytes(data.tobytes())
    return path


def figures(names, value=0.5):
    kind = dict.fromkeys(("AP", "AP50", "AP75", "AR_100"), value)
    kind["per_class"] = {name: {"AP": value, "AP50": value} for name in names}
    matrix = np.eye(len(names) + 1, dtype=int) * 3
    matrix[0, 0] = 0
    confusion = {"labels": ["background", *names], "matrix": matrix.tolist(), "iou": 0.5}
    confusion |= {"score": 0.5, "images": 4, "instances": 9}
    return {"bbox": kind, "segm": kind, "confusion": confusion}


def history(path, epochs):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["epoch", "loss", "mrcnn_mask_loss", "val_loss"])
        writer.writerows([[n, 5 / n, 1 / n, 6 / n] for n in range(1, epochs + 1)])


def write_run(work, name="bag_yaz_1.png", classes=MODANET_TABLE.names):
    """A run in which everything was done."""
    done = {"status": "finished", "seconds": 65.0, "commands": [f"python3 a.py {NASTY}"]}
    write_json(work / "pipeline.json", {"steps": {"train1": done, "label": done, "train2": done}})
    for stage, names in (("stage1", classes), ("stage2", SEASON_TABLE.names)):
        write_json(work / stage / "evaluation.json", figures(names))
        history(work / stage / "logs" / "x20240101T0000" / "history.csv", 3)
        picture(work / stage / "pictures" / name)
    picture(work / "compared" / name, 120)
    picture(work / "compared" / "contact_sheet.png", 120)
    picture(work / "labels" / "pictures" / name)
    picture(work / "label_quality" / f"worst_001_{name}", 120)
    row = {"truth": 4, "auto": 3, "precision": 0.75, "recall": None, "mean_iou": 0.8}
    quality = {"labels": {"bag_yaz": row, NASTY: row}, "all": row}
    write_json(work / "label_quality" / "quality.json", quality)
    totals = {"images": 9, "labelled": 7, "instances": 12, "left_out": {"not found": 2}}
    report = work / "labels" / "custom_dataset_annotations.report.json"
    write_json(report, {"totals": totals})
    (work / "stage2" / "truth").mkdir()
    return work


def page_of(work, steps=STEPS):
    page = work.parent / "index.html"
    return write_page(page, work, steps).read_text(encoding="utf-8")


class Outline(HTMLParser):
    """Tags that were opened and not closed, headings, texts, images."""

    VOID = frozenset(("meta", "img", "line", "polyline", "input", "br"))

    def __init__(self, text):
        super().__init__()
        self.open, self.headings, self.images, self.links, self.ids = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "img":
            self.images.append(attributes)
        if tag == "a":
            self.links.append(attributes["href"])
        if "id" in attributes:
            self.ids.append(attributes["id"])

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and re.fullmatch("h[1-3]", self.open[-1]):
            self.headings.append((self.open[-1], data))


# ---- the page as text ----


def test_all_that_a_run_has_made_is_there(tmp_path):
    text = page_of(write_run(tmp_path / "run"))
    outline = Outline(text)
    assert outline.open == [], "every element is closed"
    assert [text for level, text in outline.headings if level == "h2"] == [
        "Side by side",
        "Model 1: garments",
        "Automatic labels",
        "Model 2: garment and season",
        "Steps",
        "Files",
    ]
    assert text.count("<svg") == 4  # each model's loss and one part
    assert text.count('class="confusion"') == 2
    assert all(i["src"].startswith("data:image/jpeg;base64,") for i in outline.images)
    assert all(image["alt"] for image in outline.images)
    assert "contact_sheet" not in text
    assert "<b>0.50</b> mask AP50" in text and "<b>75 %</b> of them are right" in text
    assert "7 of 9 pictures got 12 labels from model 1; skipped: 2" in text
    assert "the truth of pictures that were held back" in text
    assert "<summary>1 other label</summary>" in text
    assert "1 min 5 s" in text and "3 min" in text
    assert "not done" not in text and "in this run" not in text
    anchors = {link[1:] for link in outline.links if link.startswith("#")}
    assert anchors <= set(outline.ids)
    assert "run/stage1/pictures/index.html" in outline.links
    assert "http" not in text.replace("http-equiv", "")


def test_nothing_was_done(tmp_path):
    (tmp_path / "run").mkdir()
    text = page_of(tmp_path / "run")
    assert Outline(text).open == []
    for sentence in (
        "were not compared in this run",
        "No epoch was trained in this run",
        "Not measured in this run",
        "Nothing was labelled in this run",
    ):
        assert sentence in text
    assert text.count("not done") == 3 and "write the page" not in text
    assert "<img" not in text and 'id="parsing"' not in text


def test_nothing_was_found(tmp_path):
    work = write_run(tmp_path / "run")
    nothing = figures(SEASON_TABLE.names, -1)
    nothing["confusion"]["matrix"] = np.zeros((10, 10), int).tolist()
    write_json(work / "stage2" / "evaluation.json", nothing)
    totals = {"images": 9, "labelled": 0, "instances": 0, "left_out": {"not found": 9}}
    report = work / "labels" / "custom_dataset_annotations.report.json"
    write_json(report, {"totals": totals})
    write_json(work / "label_quality" / "quality.json", {"all": {}, "labels": {}})
    text = page_of(work)
    assert Outline(text).open == []
    assert "There was nothing to find, and nothing was found." in text
    assert "0 of 9 pictures got 0 labels" in text
    assert "-1" not in re.sub("<style>.*?</style>", "", text, flags=re.S).replace("-1.0", "-1")


def test_measured_by_automatic_labels(tmp_path):
    work = write_run(tmp_path / "run")
    (work / "stage2" / "truth").rmdir()
    (work / "label_quality" / "quality.json").unlink()
    report = work / "labels" / "custom_dataset_annotations.report.json"
    row = {"images": 2, "instances": 3, "mean_score": 0.9}
    write_json(report, {"totals": {"labels": {"bag_yaz": row}}})
    text = page_of(work)
    assert "as the truth is unknown: labels that model 1 got wrong count as right" in text
    assert "The truth of these pictures is unknown" in text and "mean score" in text


def test_a_failed_and_an_interrupted_step(tmp_path):
    state = {
        "train1": {"status": "failed", "seconds": 3},
        "train2": {"status": "stopped", "seconds": 4},
    }
    write_json(tmp_path / "run" / "pipeline.json", {"steps": state})
    text = page_of(tmp_path / "run")
    assert "3.0 s, failed" in text and "4.0 s, interrupted" in text


def test_names_are_text_and_nothing_else(tmp_path):
    text = page_of(write_run(tmp_path / "run", NASTY_FILE, ("bag", NASTY)))
    outline = Outline(text)
    assert outline.open == []
    assert NASTY not in text and "<b onclick" not in text
    assert not any("onerror" in image for image in outline.images)
    alts = [image["alt"] for image in outline.images]
    assert any(NASTY_FILE.removesuffix(".png") in alt for alt in alts)
    assert "run/compared/%3Cb%20onclick%3D%271%27%3E%26%22%20%2523%23%3F.png" in outline.links


def test_broken_files_count_as_missing(tmp_path):
    work = write_run(tmp_path / "run")
    (work / "stage1" / "evaluation.json").write_text("{")
    (work / "stage1" / "pictures" / "bag_yaz_1.png").write_text("no picture")
    (work / "stage1" / "logs" / "x20240101T0000" / "history.csv").write_bytes(b"\xff\xfe")
    (work / "label_quality" / "quality.json").write_text("[]")
    text = page_of(work)
    assert Outline(text).open == []
    assert "bag_yaz_1.png cannot be read" in text
    assert "Not measured in this run" in text and "No epoch was trained" in text


def test_large_pictures_make_no_large_page(tmp_path):
    work = write_run(tmp_path / "run")
    for number_ in range(20):
        picture(work / "compared" / f"{number_}.png", 2400, 1600, noise=False)
        picture(work / "stage1" / "pictures" / f"{number_}.png", 1200, 1600, noise=False)
    text = page_of(work)
    images = Outline(text).images
    assert max(int(image["width"]) for image in images) == 900
    assert len(text) < 1_000_000
    assert 'href="run/compared/index.html">21 pictures</a>' in text
    whole = (work / "compared" / "index.html").read_text()
    assert whole.count("<figure>") == 21 and Outline(whole).open == []


def test_it_says_what_the_pictures_are(tmp_path):
    work = write_run(tmp_path / "run")
    text = page_of(work)
    assert "The pictures are yours." in text and "<b>yaz</b> summer" in text
    (work / "data").mkdir()
    assert "drawn, not photographed" in (text := page_of(work)) and "start weights" not in text
    state = json.loads((work / "pipeline.json").read_text())
    state["steps"]["train1"]["commands"] = ["a.py --model=fashion/demo/demo_start.h5"]
    write_json(work / "pipeline.json", state)
    assert "its start weights were trained before" in page_of(work)


@pytest.mark.parametrize(("epochs", "said"), [(1, True), (2, False)])
def test_a_training_of_one_epoch_is_called_a_quick_run(tmp_path, epochs, said):
    """The demo itself trains model 1 for two."""
    work = write_run(tmp_path / "run")
    (work / "data").mkdir()
    history(work / "stage1" / "logs" / "x20240101T0000" / "history.csv", epochs)
    assert ("This was a quick run" in page_of(work)) == said


def test_a_page_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        write_page(tmp_path / "file" / "index.html", tmp_path, STEPS)


def test_results_of_the_newest_training(tmp_path):
    work = write_run(tmp_path / "run")
    history(work / "stage1" / "logs" / "x20250101T0000" / "history.csv", 5)
    results = gather_results(work, [("train1", "train")])
    assert [row["epoch"] for row in results.stages[0].history] == [1, 2, 3, 4, 5]
    assert results.seconds == 65 and results.step("gone") is None


# ---- charts ----


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        (8, [0, 2, 4, 6, 8]),
        (6.4, [0, 2, 4, 6, 8]),
        (0.9, [0, 0.5, 1.0]),
        (0.04, [0, 0.01, 0.02, 0.03, 0.04]),
        (0, [0, 1]),
        (float("nan"), [0, 1]),
    ],
)
def test_ticks(top, expected):
    assert ticks(top) == pytest.approx(expected)


def test_numbers():
    assert [number(v) for v in (0.456, 1, None, -1, float("nan"))] == [
        "0.46", "1.00", "\u2013", "\u2013", "\u2013",
    ]  # fmt: skip


def test_a_curve_lies_where_its_numbers_are():
    text = line_chart("Loss", [("training", "train", [(1, 8), (2, 4), (3, 0)])])
    (points,) = re.findall(r'<polyline class="train" points="([^"]*)"', text)
    xs, ys = np.array([p.split(",") for p in points.split()], float).T
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1])
    assert ys[1] - ys[0] == pytest.approx(ys[2] - ys[1]) and ys[0] < ys[2]
    assert 'aria-label="Loss: training 8.000 at epoch 1, 0.000 at 3"' in text


def test_charts_without_numbers():
    assert "no epoch is finished" in line_chart("Loss", [("training", "train", [])])
    single = line_chart("Loss", [("training", "train", [(1, 0.0)])])
    assert single.count("<circle") == 1 and "nan" not in single


def test_many_epochs_have_no_dots_and_few_marks():
    text = line_chart("Loss", [("training", "train", [(n, 1) for n in range(1, 301)])])
    assert "<circle" not in text and text.count('text-anchor="middle"') <= 9


def test_a_bar_has_its_length():
    assert "--share:0.250" in bar_cell(0.25) and ">0.25<" in bar_cell(0.25)
    assert "--share:0.000" in bar_cell(None) and "--share:0.000" in bar_cell(-1)


def test_a_confusion_table():
    labels = ["background", "bag", "never", NASTY]
    matrix = [[0, 1, 0, 0], [2, 5, 0, 3], [0, 0, 0, 0], [0, 0, 0, 7]]
    text = confusion_table(
        {"labels": labels, "matrix": matrix, "iou": 0.5, "score": 0.7}, {"bag": "#112233"}
    )
    assert "never" not in text and NASTY not in text
    assert 'title="bag found as bag: 5 of 10"' in text
    assert 'title="bag found as nothing: 2 of 10"' in text
    assert 'title="nothing found as bag: 1 of 1"' in text
    assert text.count('class="void"') == 1 and "background:#112233" in text
    assert Outline(text).open == []


def test_a_table_escapes_its_texts():
    text = table([NASTY], [[NASTY, "<td>1</td>"]], NASTY, NASTY)
    assert NASTY not in text and "<td>1</td>" in text


# ---- in a browser ----


@pytest.fixture(scope="module")
def browser():
    with Chromium() as chromium:
        yield chromium


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_sticks_out_and_nothing_is_fetched(tmp_path, browser, width, dark):
    work = write_run(tmp_path / "run", classes=[*MODANET_TABLE.names, "x" * 60])
    page = write_page(tmp_path / "index.html", work, STEPS)
    browser.open(page, width=width, dark=dark)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.faults() == []
    assert browser.run("[...document.images].every(image => image.naturalWidth > 0)")
    colours = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (max(json.loads("[" + colours[4:-1] + "]")) < 60) == dark


def test_texts_stay_texts(tmp_path, browser):
    work = write_run(tmp_path / "run", NASTY_FILE, ("bag", NASTY))
    browser.open(write_page(tmp_path / "index.html", work, STEPS))
    browser.run("new Promise(done => setTimeout(done, 200))")
    assert browser.run("document.title") == "Garments and their seasons"
    assert browser.run("document.querySelector('.steps code').textContent").endswith(NASTY)
    assert browser.faults() == []


def test_the_larger_picture_opens_and_closes(tmp_path, browser):
    browser.open(write_page(tmp_path / "index.html", write_run(tmp_path / "run"), STEPS))
    browser.run("document.querySelector('.gallery a.picture').click()")
    assert browser.run("document.getElementById('large').open")
    assert browser.run("document.querySelector('#large img').alt").startswith("Model 1 on the")
    browser.run("document.getElementById('large').click()")
    assert not browser.run("document.getElementById('large').open")
