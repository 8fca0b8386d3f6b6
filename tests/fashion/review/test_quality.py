import numpy as np
import pytest
from PIL import Image

from fashion.annotations.via_reading import from_json
from fashion.labels import ClassTable, GarmentClass
from fashion.review.quality import compare_labels, mask_iou
from fashion.review.quality_report import draw_comparison, quality_table, write_worst
from tests.fashion.factories import entry, region, write_image


def square(x, y, side=10):
    return [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]


def labelled(label, points, score=None, **more):
    attributes = {"label": label, **more}
    return region(points, **attributes, **({} if score is None else {"score": str(score)}))


def via(**images):
    """VIA data of images by name (without ending)."""
    return from_json({name: entry(f"{name}.jpg", regions) for name, regions in images.items()})


def test_figures_of_a_label():
    truth = via(bag_yaz_1=[labelled("bag_yaz", square(0, 0)), labelled("bag_yaz", square(20, 0))])
    auto = via(
        bag_yaz_1=[
            labelled("bag_yaz", square(1, 0), 0.95),  # 9 of 11 columns: IoU 9 / 11
            labelled("bag_yaz", square(20, 8), 0.9),  # a tenth: no match
            labelled("bag_yaz", square(5, 15), 0.9),
        ]
    )
    figures = compare_labels(auto, truth).figures("bag_yaz")
    assert figures == {
        "truth": 2,
        "auto": 3,
        "matched": 1,
        "precision": pytest.approx(1 / 3),
        "recall": 0.5,
        "mean_iou": pytest.approx(9 / 11),
        "points_auto": 4,
        "points_truth": 4,
    }


@pytest.mark.parametrize(("threshold", "matched"), [(0.5, 1), (0.81, 1), (0.83, 0), (1, 0)])
def test_the_threshold(threshold, matched):
    truth = via(bag_yaz_1=[labelled("bag_yaz", square(0, 0))])
    auto = via(bag_yaz_1=[labelled("bag_yaz", square(1, 0))])
    quality = compare_labels(auto, truth, threshold=threshold)
    assert quality.figures()["matched"] == matched


def test_the_best_pairs_are_taken_first_and_each_instance_once():
    truth = via(bag_yaz_1=[labelled("bag_yaz", square(0, 0)), labelled("bag_yaz", square(3, 0))])
    auto = via(bag_yaz_1=[labelled("bag_yaz", square(3, 0)), labelled("bag_yaz", square(3, 0))])
    quality = compare_labels(auto, truth)
    # one matches exactly; the other has an IoU of 7 / 13 with the one that is left
    assert sorted(c.iou for c in quality.comparisons) == pytest.approx([7 / 13, 1])


def test_labels_must_be_equal():
    truth = via(bag_yaz_1=[labelled("bag_yaz", square(0, 0))])
    auto = via(bag_yaz_1=[labelled("bag_kis", square(0, 0))])
    quality = compare_labels(auto, truth)
    assert quality.labels() == ["bag_kis", "bag_yaz"]
    assert quality.figures("bag_kis")["precision"] == 0
    assert quality.figures("bag_kis")["recall"] is None
    assert quality.figures("bag_yaz")["recall"] == 0
    assert quality.figures("bag_yaz")["precision"] is None


def test_parts_and_holes_count():
    hole = labelled("bag_yaz", square(2, 2, 6), instance="1", hole="1")
    truth = via(bag_yaz_1=[labelled("bag_yaz", square(0, 0), instance="1"), hole])
    auto = via(bag_yaz_1=[labelled("bag_yaz", square(0, 0))])
    quality = compare_labels(auto, truth)
    assert quality.comparisons[0].iou == pytest.approx(64 / 100)
    assert (quality.figures()["truth"], quality.figures()["points_truth"]) == (1, 4)


def test_a_truth_of_garments():
    """The season comes from the file name; only the garment of the name is expected."""
    garments = [
        labelled("boots", square(0, 0)),
        labelled("bag", square(20, 0)),
        labelled("belt", square(0, 15)),
    ]
    truth = via(footwear_kis_1=garments)
    auto = via(
        footwear_kis_1=[
            labelled("footwear_kis", square(0, 0), 0.9),
            labelled("bag_kis", square(20, 0), 0.9),
        ]
    )
    named = compare_labels(auto, truth)
    assert named.figures("footwear_kis")["matched"] == 1
    assert named.figures("bag_kis")["precision"] == 0
    both = compare_labels(auto, truth, all_garments=True)
    assert both.figures()["matched"] == both.figures()["truth"] == 2  # a belt has no label


def test_a_truth_without_a_label():
    truth = via(
        IMG_1=[labelled("bag", square(0, 0))], bag_yaz_1=[labelled("hat box", square(0, 0))]
    )
    quality = compare_labels(via(), truth)
    assert not quality.comparisons
    assert [str(p) for p in quality.problems] == [
        'IMG_1.jpg, region 1: its label is a garment, but "IMG" in the file name "IMG_1.jpg" is '
        "not a garment: expected <garment>_<season>_<anything>.<ext>",
        'bag_yaz_1.jpg, region 1: its label "hat box" is neither a garment nor a season label',
    ]


def test_garments_without_seasons():
    """What `generateVggAnno.py --labels=garments` writes: any file name, any class."""
    auto = via(
        IMG_1=[labelled("bag", square(0, 0), 0.9), labelled("sneaker", square(20, 0), 0.8)],
        bag_yaz_2=[labelled("top", square(0, 0), 0.9)],
    )
    truth = via(
        IMG_1=[
            labelled("bag", square(0, 0)),
            labelled("sneaker", square(20, 0)),
            labelled("scarf", square(0, 20)),
        ],
        bag_yaz_2=[labelled("top", square(0, 0)), labelled("bag_yaz", square(20, 0))],
    )
    quality = compare_labels(auto, truth)
    assert quality.problems == []
    assert quality.labels() == ["bag", "scarf/tie", "sneaker", "top"]
    assert [quality.figures(label)["recall"] for label in quality.labels()] == [0.5, 0, 1, 1]
    nothing_found = compare_labels(via(IMG_1=[]), truth)
    assert (nothing_found.problems, nothing_found.figures()["truth"]) == ([], 5)


def test_aliases_of_own_classes_are_the_same_label():
    table = ClassTable([GarmentClass(1, "sneaker", (9, 9, 9), aliases=("trainer",)), "blazer"])
    auto = via(a=[labelled("sneaker", square(0, 0))])
    truth = via(a=[labelled("Trainer", square(0, 0)), labelled("cap", square(20, 0))])
    quality = compare_labels(auto, truth, table=table)
    assert quality.labels() == ["cap", "sneaker"]
    assert quality.figures("sneaker")["precision"] == quality.figures("sneaker")["recall"] == 1
    assert compare_labels(auto, truth).figures("sneaker")["precision"] == 0


def test_images_on_one_side_only():
    truth = via(bag_yaz_1=[labelled("bag_yaz", square(0, 0))])
    auto = via(bag_yaz_2=[labelled("bag_yaz", square(0, 0))])
    quality = compare_labels(auto, truth)
    assert (quality.images, quality.unlabelled) == (2, 1)
    assert (quality.figures()["precision"], quality.figures()["recall"]) == (0, 0)
    labelled_only = compare_labels(auto, truth, labelled_only=True)
    assert labelled_only.figures()["truth"] == 0


def test_nothing_at_all():
    quality = compare_labels(via(), via(a=[]))
    assert (quality.comparisons, quality.worst(3)) == ([], [])
    assert quality.figures()["mean_iou"] is None
    assert "all" in quality_table(quality)
    assert quality.as_json()["labels"] == {}


def test_iou_of_crops():
    full = np.ones((4, 5), bool)
    assert mask_iou((full, (0, 0)), (full, (0, 0))) == 1
    assert mask_iou((full, (0, 0)), (full, (2, 0))) == pytest.approx(10 / 30)
    assert mask_iou((full, (0, 0)), (full, (50, 50))) == 0
    assert mask_iou((full, (0, 0)), (np.zeros((0, 0), bool), (0, 0))) == 0
    nothing = np.zeros((0, 0), bool), (0, 0)
    assert mask_iou(nothing, nothing) == 0


def test_sizes_that_no_file_has():
    image = {"1": entry("bag_yaz_1.jpg", [labelled("bag_yaz", square(900, 700))], size=None)}
    assert compare_labels(from_json(image), from_json(image)).comparisons[0].iou == 1


def test_the_worst_are_drawn(tmp_path):
    same = labelled("bag_yaz", square(0, 0), 0.9)
    truth = via(
        bag_yaz_1=[same],
        bag_yaz_2=[same],
        bag_yaz_3=[same, labelled("bag_yaz", square(20, 0))],
        bag_yaz_4=[same],
    )
    auto = via(bag_yaz_1=[same], bag_yaz_2=[labelled("bag_yaz", square(1, 0))], bag_yaz_4=[])
    quality = compare_labels(auto, truth)
    assert quality.worst(9) == ["bag_yaz_3.jpg", "bag_yaz_4.jpg", "bag_yaz_2.jpg"]
    for number in (2, 3):
        write_image(tmp_path / f"bag_yaz_{number}.jpg")
    written, errors = write_worst(quality, tmp_path, tmp_path / "worst", 9)
    assert [p.name for p in written] == [
        "worst_001_bag_yaz_3.png",
        "worst_003_bag_yaz_2.png",
        "worst.png",
    ]
    assert len(errors) == 1 and "bag_yaz_4.jpg" in errors[0]
    assert write_worst(compare_labels(truth, truth), tmp_path, tmp_path / "w", 9) == ([], [])


def test_matches_are_green_and_faults_red():
    truth = via(bag_yaz_1=[labelled("bag_yaz", square(0, 0, 20))])
    auto = via(
        bag_yaz_1=[labelled("bag_yaz", square(0, 0, 20)), labelled("bag_yaz", square(22, 4))]
    )
    comparisons = compare_labels(auto, truth).comparisons
    picture = draw_comparison(np.full((30, 400, 3), 128, np.uint8), comparisons).astype(int)
    green = (picture[..., 1] - picture[..., 0] > 40).any(axis=0)
    red = (picture[..., 0] - picture[..., 1] > 40).any(axis=0)
    assert green[:408].any() and green[408:].any()
    assert red[408:].any() and not red[:408].any()
    assert Image.fromarray(picture.astype(np.uint8)).width > 800


def test_files_of_the_original_labeller_carry_codes_alone():
    auto = via(a=[region(square(5, 5), fashion="2"), region(square(20, 5), fashion="99")])
    truth = via(a=[labelled("bag_yaz", square(5, 5))])
    assert compare_labels(auto, truth).figures("bag_yaz")["matched"] == 1
    assert compare_labels(auto, truth).labels() == ["99", "bag_yaz"]
