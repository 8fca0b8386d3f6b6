"""The whole report, from a data set on disk to the page in a browser."""

import json
import re

import cv2
import numpy as np
import pytest

from fashion.dataset import FashionDataset
from fashion.evaluation.findings import findings
from fashion.evaluation.numbers import evaluation_numbers
from fashion.evaluation.pictures import SIDE, draw_image, write_pictures
from fashion.evaluation.report import write_report
from fashion.labels import ClassTable, season_table
from fashion.stages.training_labels import ALL_LABELS
from mrcnn.evaluation.coco_ap import average_precision, encode_mask, ground_truth
from mrcnn.evaluation.matches import ImageQuality, rows_by_image
from tests.fashion.chromium import Chromium
from tests.fashion.factories import dataset_folder, entry, region

NASTY = "</style><img src=x onerror=document.title=1> & /*STYLE*/ '\""
SIZE = (320, 240)  # width, height
# x1, y1, x2, y2
BOXES = ((20, 20, 100, 100), (120, 20, 200, 100), (220, 20, 300, 100), (20, 128, 100, 208))


def corners(x1, y1, x2, y2):
    return [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]


def dataset_of(folder, images, labels=("bag", "boots", "top")):
    """A data set of lists of (label, place among BOXES), one list an image."""
    entries = [
        entry(
            f"{number}.png",
            [region(corners(*BOXES[place]), label=label) for label, place in image],
            SIZE,
        )
        for number, image in enumerate(images)
    ]
    root = dataset_folder(folder, entries, "val")
    table = labels if isinstance(labels, ClassTable) else ClassTable(labels)
    dataset = FashionDataset().load(root, "val", table, keep_empty=True)
    dataset.prepare()
    return dataset


def found_in(dataset, images):
    """COCO rows of lists of (label, place, score), one list an image."""
    rows = []
    for image_id, image in enumerate(images):
        for label, place, score in image:
            x1, y1, x2, y2 = BOXES[place]
            mask = np.zeros(SIZE[::-1], bool)
            mask[y1 : y2 + 1, x1 : x2 + 1] = True
            rows.append(
                {
                    "image_id": image_id,
                    "category_id": dataset.table.id_of(label),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "segmentation": encode_mask(mask),
                    "score": score,
                }
            )
    return rows


def report(folder, dataset, rows, image_ids=None, seasons=False):
    image_ids = dataset.image_ids if image_ids is None else image_ids
    truth = ground_truth(dataset, image_ids)
    figures = average_precision(truth, rows)
    page = write_report(folder / "report", dataset, image_ids, truth, rows, figures, 0.5, seasons)
    return page, json.loads((page.parent / "report.json").read_text(encoding="utf-8"))


def ordinary(folder, labels=("bag", "boots", "top"), **more):
    first, second, *_ = list(getattr(labels, "names", labels))
    dataset = dataset_of(folder, [[(first, 0), (second, 1)], [(first, 0)], []], labels)
    rows = found_in(dataset, [[(first, 0, 0.9), (first, 1, 0.8)], [(first, 0, 0.7)],
                              [(second, 2, 0.6)]])  # fmt: skip
    return report(folder, dataset, rows, **more)


CHARTS = {
    "precision_recall_50.png", "precision_recall_75.png", "precision_recall_classes.png",
    "classes.png", "calibration.png", "iou.png", "confusion.png",
}  # fmt: skip
SEASON_CHARTS = {"garments.png", "seasons.png", "garment_seasons.png"}


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def test_files_and_numbers(tmp_path):
    page, numbers = ordinary(tmp_path)
    pictures = {"best_1.png", "worst_1.png", "worst_2.png"}
    assert names_in(page.parent) == {"index.html", "report.json"} | CHARTS | pictures
    assert numbers["confusion"]["labels"] == ["background", "bag", "boots", "top"]
    assert numbers["confusion"]["matrix"] == [[0, 0, 1, 0], [0, 2, 0, 0], [0, 1, 0, 0], [0] * 4]
    assert (numbers["images"], numbers["instances"], numbers["detections"]) == (3, 3, 4)
    assert [image["file"] for image in numbers["images_by_quality"]] == ["0.png", "1.png", "2.png"]
    assert [image["right"] for image in numbers["images_by_quality"]] == [1, 1, 0]
    bag = numbers["precision_recall"]["per_class"]["bag"]["0.5"]
    # .9 and .7 are right, .8 is not; half of recall is reached before it.
    assert bag["best"] == pytest.approx({"score": 0.7, "precision": 2 / 3, "recall": 1, "f1": 0.8})
    assert bag["precision"][50:52] == [1, pytest.approx(2 / 3, abs=1e-4)]
    assert numbers["precision_recall"]["per_class"]["top"]["0.5"]["ap"] is None
    assert sum(bin["detections"] for bin in numbers["calibration"]["bins"]) == 4
    assert sum(numbers["iou_histogram"]["counts"]) == 2
    assert numbers["iou_histogram"]["untouched"] == 1
    assert numbers["figures"]["segm"]["per_class"]["top"]["AP"] == -1
    assert "seasons" not in numbers


def test_seasons(tmp_path):
    page, numbers = ordinary(
        tmp_path, season_table(["bag_yaz", "bag_kis", "top_kis"]), seasons=True
    )
    assert names_in(page.parent) >= CHARTS | SEASON_CHARTS
    assert numbers["seasons"]["counts"]["garment_right_season_wrong"] == 1
    assert numbers["seasons"]["pairs"] == [["bag_kis", "bag_yaz", 1]]
    text = page.read_text(encoding="utf-8")
    assert 'id="seasons"' in text and 'href="#seasons"' in text


CASES = {
    "no image": ([[("bag", 0)]], [], []),
    "no detection": ([[("bag", 0)], []], [[], []], None),
    "no truth": ([[], [("bag", 0)]], [[("top", 1, 0.9)]], [0]),
    "neither": ([[], [("bag", 0)]], [], [0]),
}


@pytest.mark.parametrize("case", CASES)
def test_there_is_a_report_of(case, tmp_path):
    images, found, image_ids = CASES[case]
    dataset = dataset_of(tmp_path, images)
    page, numbers = report(tmp_path, dataset, found_in(dataset, found), image_ids, seasons=True)
    assert names_in(page.parent) >= CHARTS | SEASON_CHARTS
    assert numbers["images"] == (len(images) if image_ids is None else len(image_ids))
    shown = re.sub(r"base64,[^\"]*", "", page.read_text(encoding="utf-8").split("<main>")[1])
    assert not re.search(r"\bnan\b|\bNone\b", shown)


def test_a_picture_is_truth_and_detections_beside_each_other(tmp_path):
    dataset = dataset_of(tmp_path, [[("bag", 0), ("boots", 1)]])
    rows = found_in(dataset, [[("bag", 0, 0.9), ("top", 3, 0.8), ("bag", 2, 0.3)]])
    truth = ground_truth(dataset)
    numbers = evaluation_numbers(
        dataset, [0], truth, rows, average_precision(truth, rows), 0.5, False
    )
    ((_, *both),) = rows_by_image(truth, rows)
    (quality,) = numbers.matches.images
    picture = draw_image(dataset, quality, "0.png", *both, 0.5, 0.5)
    width, height = SIZE
    left = picture[-height - 8 : -8, 8 : 8 + width]
    right = picture[-height - 8 : -8, -8 - width : -8]

    def drawn(side):
        """Places whose middle is not as grey as the image."""
        middles = [side[(y1 + y2) // 2, (x1 + x2) // 2] for x1, y1, x2, y2 in BOXES]
        return [place for place, pixel in enumerate(middles) if (pixel != 128).any()]

    assert drawn(left) == [0, 1]
    assert drawn(right) == [0, 3], "the bag at place 2 is not sure enough"


def test_large_images_are_drawn_small(tmp_path):
    large = (2000, 1500)
    root = dataset_folder(tmp_path, [entry("a.png", [region(label="bag")], large)], "val")
    dataset = FashionDataset().load(root, "val", ClassTable(["bag"]))
    dataset.prepare()
    image = ImageQuality(0, 0.0, 0, 0, 1, None)
    truth = ground_truth(dataset)
    (path,) = write_pictures(tmp_path, "worst", dataset, [image], truth, [], 0.5, 0.5)
    assert path.name == "worst_1.png" and cv2.imread(str(path)).shape[1] < 2 * SIDE + 40


def test_findings(tmp_path):
    images = [[("bag", 0), ("boots", 1)]] * 2
    dataset = dataset_of(tmp_path, images)
    rows = found_in(dataset, [[("bag", 0, 0.9), ("bag", 1, 0.8)]] * 2)
    truth = ground_truth(dataset)
    reported = findings(
        evaluation_numbers(dataset, [0, 1], truth, rows, average_precision(truth, rows), 0.5, False)
    )
    assert reported[0].startswith("One confidence for all classes: 0.90 is best")
    assert "Hardly learnt, by the masks' AP50: boots (0.00)." in reported
    assert "Most often mistaken: boots for bag (2 times)." in reported
    assert any("overconfident: its scores are on average 0.35" in sentence for sentence in reported)
    assert "Too few instances for reliable figures: bag (2), boots (2)." in reported
    assert reported[-1] == "Not in these pictures, so not measured: top."


# ---- in a browser ----


@pytest.fixture(scope="module")
def browser():
    with Chromium() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page of a few classes with a name that is none, and one of fifty season labels."""
    few = ordinary(tmp_path_factory.mktemp("few"), ("bag", NASTY, "top"))[0]
    folder = tmp_path_factory.mktemp("many")
    images = [[(label, 0)] for label in ALL_LABELS]
    dataset = dataset_of(folder, images, season_table(ALL_LABELS))
    reported = [[(label, 0, 0.9)] for label in (*ALL_LABELS[5:], *ALL_LABELS[:5])]
    return few, report(folder, dataset, found_in(dataset, reported), seasons=True)[0]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("which", [0, 1])
def test_nothing_sticks_out_and_nothing_is_fetched(pages, browser, which, width):
    browser.open(pages[which], width=width, dark=which == 0)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("[...document.images].every(image => image.naturalWidth > 0)")
    assert browser.run("document.images.length") >= 6
    assert browser.faults() == []


def test_texts_stay_texts(pages, browser):
    browser.open(pages[0])
    browser.run("new Promise(done => setTimeout(done, 200))")
    assert browser.run("document.title") == "Evaluation"
    assert NASTY in browser.run("document.querySelector('.classes').textContent")


def test_links_lead_to_sections_and_files(pages, browser):
    browser.open(pages[1])
    targets = browser.run("[...document.querySelectorAll('nav a')].map(a => a.hash)")
    assert "#seasons" in targets
    assert browser.run(f"{json.dumps(targets)}.every(t => document.querySelector(t))")
    files = browser.run("[...document.querySelectorAll('main a')].map(a => a.getAttribute('href'))")
    assert files and all((pages[1].parent / name).is_file() for name in files)


def test_a_picture_opens_larger(pages, browser):
    browser.open(pages[0])
    browser.run("document.querySelector('#scores a.picture').click()")
    assert browser.run("document.getElementById('large').open")
    browser.run("document.getElementById('large').click()")
    assert not browser.run("document.getElementById('large').open")
