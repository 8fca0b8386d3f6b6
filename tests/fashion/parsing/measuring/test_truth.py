"""Truth label maps out of annotations, and parsed pictures measured by them."""

from types import SimpleNamespace

import numpy as np
import pytest

from fashion.labels import MODANET_TABLE, ClassTable
from fashion.parsing.measuring.measures import IGNORED
from fashion.parsing.measuring.truth import (
    JOINT,
    PIXEL,
    Truth,
    measure_pictures,
    truth_label_map,
    write_measures,
)
from mrcnn.errors import DatasetError
from tests.fashion.factories import coco_data, entry, region, write_image, write_json

LARGE = [(0, 0), (39, 0), (39, 19), (0, 19)]
SMALL = [(10, 5), (19, 5), (19, 9), (10, 9)]


def rectangles(*boxes, shape=(20, 40)):
    masks = np.zeros((*shape, len(boxes)), dtype=bool)
    for index, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, index] = True
    return masks


def annotated(folder, *entries):
    """A folder with pictures and their VIA annotations."""
    for one in entries:
        write_image(folder / one["filename"])
    write_json(folder / "via_region_data.json", {str(i): e for i, e in enumerate(entries)})
    return folder


def images(folder):
    return sorted(folder.glob("*.jpg"))


def maps(pixel, joint=None):
    return SimpleNamespace(pixel_labels=pixel, joint_labels=pixel if joint is None else joint)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_smaller_instance_is_on_top_whatever_the_order(order):
    masks, ids = rectangles((0, 0, 20, 40), (5, 10, 9, 19)), np.array([6, 2])
    painted = truth_label_map(masks[..., list(order)], ids[list(order)])
    assert painted.dtype == np.uint8
    assert painted[6, 12] == 2 and painted[0, 0] == 6
    assert (painted == 2).sum() == 36


def test_of_equal_instances_the_later_is_on_top():
    masks = rectangles((0, 0, 10, 10), (5, 5, 15, 15))
    assert truth_label_map(masks, np.array([3, 4]))[7, 7] == 4


def test_what_only_a_crowd_covers_is_ignored():
    masks, ids = rectangles((0, 0, 10, 10), (5, 5, 20, 40)), np.array([-3, 4])
    painted = truth_label_map(masks, ids)
    assert painted[2, 2] == IGNORED and painted[7, 7] == 4


def test_no_instance_is_all_background():
    painted = truth_label_map(np.zeros((20, 40, 0), bool), np.zeros(0, np.int32))
    assert painted.shape == (20, 40) and not painted.any()


def test_label_maps_of_a_via_file_or_its_folder(tmp_path):
    folder = annotated(
        tmp_path,
        entry("a.jpg", [region(SMALL, label="belt"), region(LARGE, label="dress")]),
        entry("b.jpg"),
    )
    for path in (folder, folder / "via_region_data.json"):
        truth = Truth(path, images(folder), MODANET_TABLE)
        labels = truth.labels(folder / "a.jpg")
        assert labels.shape == (30, 40)
        assert labels[7, 15] == MODANET_TABLE.id_of("belt")
        assert labels[1, 1] == MODANET_TABLE.id_of("dress") and labels[25, 1] == 0
        assert not truth.labels(folder / "b.jpg").any(), "annotated as without a garment"
        assert "2 images, 2 instances" in truth.summary()


def test_label_maps_of_a_coco_file_elsewhere(tmp_path):
    write_image(tmp_path / "images" / "a.jpg")
    path = write_json(tmp_path / "coco.json", coco_data([{"category_id": 2}]))
    image = tmp_path / "images" / "a.jpg"
    labels = Truth(path, [image], MODANET_TABLE).labels(image)
    assert set(np.unique(labels)) == {0, MODANET_TABLE.id_of("belt")}


def test_annotations_without_the_size(tmp_path):
    folder = annotated(tmp_path, entry("a.jpg", [region()], size=None))
    assert Truth(folder, images(folder), MODANET_TABLE).labels("a.jpg").shape == (30, 40)


def test_what_else_is_annotated_is_skipped(tmp_path):
    folder = annotated(tmp_path, entry("a.jpg", [region()]), entry("b.jpg", [region()]))
    truth = Truth(folder, [folder / "a.jpg"], MODANET_TABLE)
    assert truth.size("b.jpg") is None
    with pytest.raises(KeyError):
        truth.labels("b.jpg")


def test_labels_of_another_table_are_reported(tmp_path):
    folder = annotated(tmp_path, entry("a.jpg", [region(), region(label="hat")]))
    truth = Truth(folder, images(folder), MODANET_TABLE)
    assert "hat" in truth.summary()


def test_pictures_of_other_names(tmp_path):
    folder = annotated(tmp_path, entry("a.jpg", [region()]))
    with pytest.raises(DatasetError, match="none of these pictures"):
        Truth(folder, [folder / "z.jpg"], MODANET_TABLE)


def test_no_annotations(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        Truth(tmp_path / "none.json", [], MODANET_TABLE)
    with pytest.raises(DatasetError, match=r"has no via_region_data\.json"):
        Truth(tmp_path, [], MODANET_TABLE)


def test_both_levels_are_measured_and_written(tmp_path):
    folder = annotated(
        tmp_path / "set", entry("a.jpg", [region(LARGE, label="dress")]), entry("b.jpg", [region()])
    )
    truth = Truth(folder, images(folder), MODANET_TABLE)
    right = [truth.labels(image) for image in images(folder)]
    half = [labels.copy() for labels in right]
    for labels in half:
        labels[:, 15:] = 0
    parsed = zip(images(folder), map(maps, half, right), strict=True)
    measured = measure_pictures(truth, parsed)
    assert measured.levels[JOINT].overall()["mean_iou"] == 1
    assert measured.levels[PIXEL].overall()["mean_iou"] < 0.8
    assert measured.levels[PIXEL].images == 2 and measured.without_truth == []
    text = write_measures(measured, tmp_path / "out")
    assert "2 pictures" in text and (tmp_path / "out" / "measures.csv").is_file()


def test_pictures_without_truth_are_reported_and_not_measured(tmp_path):
    folder = annotated(tmp_path, entry("a.jpg", [region()]))
    write_image(folder / "b.jpg")
    truth = Truth(folder, images(folder), MODANET_TABLE)
    empty = np.zeros((30, 40), np.uint8)
    measured = measure_pictures(truth, [(image, maps(empty)) for image in images(folder)])
    assert measured.levels[PIXEL].images == 1 and measured.without_truth == ["b.jpg"]
    assert "1 picture without truth, not measured: b.jpg" in write_measures(
        measured, tmp_path / "out"
    )


def test_nothing_to_measure(tmp_path):
    folder = annotated(tmp_path, entry("a.jpg", [region()]))
    truth = Truth(folder, images(folder), MODANET_TABLE)
    with pytest.raises(DatasetError, match="none of the pictures"):
        measure_pictures(truth, [])


def test_a_picture_of_another_size_than_annotated(tmp_path):
    folder = annotated(tmp_path, entry("a.jpg", [region()]))
    truth = Truth(folder, images(folder), MODANET_TABLE)
    with pytest.raises(
        DatasetError, match=r"a\.jpg: .* size that .*expected 40 x 30 pixels, found 20 x 10"
    ):
        measure_pictures(truth, [(folder / "a.jpg", maps(np.zeros((10, 20), np.uint8)))])


def test_any_class_table(tmp_path):
    table = ClassTable(["hat", "sock"])
    folder = annotated(tmp_path, entry("a.jpg", [region(label="sock")]))
    truth = Truth(folder, images(folder), table)
    labels = truth.labels("a.jpg")
    assert labels.max() == 2
    measured = measure_pictures(truth, [(folder / "a.jpg", maps(labels))])
    assert measured.levels[PIXEL].names == ("background", "hat", "sock")
