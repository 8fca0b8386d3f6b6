"""The printed tables; what stands in them is tested in tests/tools/test_evaluate.py."""

from fashion.evaluation.tables import confusion_text, figures_text
from mrcnn.evaluation.coco_ap import average_precision, ground_truth, results_of
from tests.mrcnn.evaluation.test_coco_ap import Rectangles, found

BOX = (0, 0, 20, 20)
DATASET = Rectangles([(1, BOX), (1, (100, 100, 200, 200))])
TRUTH = ground_truth(DATASET)
ROWS = results_of(0, found((1, 0.9, BOX), (2, 0.8, BOX)))


def rows_of(text):
    return {line.split("  ")[0]: line.split()[1:] for line in text.splitlines() if line}


def test_three_tables():
    whole, classes, sizes = figures_text(average_precision(TRUTH, ROWS)).split("\n\n")
    assert rows_of(whole)["AP"] == ["0.505", "0.505"]  # 51 of 101 recalls
    assert rows_of(whole)["AP_medium"] == ["-", "-"]
    head, _, *lines = classes.splitlines()
    assert head.split()[:8] == ["class", "truth", "found", "box", "AP", "AP50", "AP75", "AR"]
    assert [line.split()[:4] for line in lines] == [
        ["square", "2", "1", "0.505"],
        ["disc", "0", "1", "-"],
        ["never", "seen", "0", "0"],
    ]
    assert sizes.splitlines()[2].split() == ["square", *"101", *["1.000", "-", "0.000"] * 2]


def test_boxes_alone_and_the_per_image_measure():
    figures = average_precision(TRUTH, ROWS, ["bbox"])
    measured = {"mean_image_ap": -1.0, "iou": 0.5, "images": 0}
    measured |= {"images_without_truth": 2, "images_without_truth_but_detections": 1}
    *_, note, last = figures_text(figures | {"image_ap": measured}).split("\n\n")
    assert note == "The results have no segmentation: the figures of masks are left out."
    assert last.endswith(
        "not COCO's AP50): -, the mean of 0 images; 2 without instance left out, 1 of them with "
        "detections."
    )


def test_the_confusion():
    text = confusion_text(
        {"labels": ["background", "bag"], "matrix": [[0, 2], [1, 9]], "score": 0.5}
    )
    head, numbers, first, second = text.splitlines()
    assert "score 0.5 or more" in head and numbers.split() == ["0", "1"]
    assert (first.split(), second.split()) == (
        ["0", "background", "-", "2"],
        ["1", "bag", "1", "9"],
    )
