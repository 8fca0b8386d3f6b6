import numpy as np
import pytest

from fashion.annotations.instances import image_instances
from fashion.annotations.via_reading import from_json
from fashion.autolabel.policy import Pick
from fashion.autolabel.regions import instance_regions, regions_mask, via_entry
from fashion.labels import SEASON_TABLE

PICK = Pick(0, "bag_yaz", 2, 0.98765)


def block(height, width, *boxes):
    """A mask of rectangles (y1, x1, y2, x2, value), painted in order."""
    mask = np.zeros((height, width), dtype=bool)
    for y1, x1, y2, x2, value in boxes:
        mask[y1:y2, x1:x2] = value
    return mask


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


def test_attributes_are_texts_and_whole():
    (region,) = instance_regions(block(20, 20, (2, 3, 12, 13, True)), PICK, 7, tolerance=0)
    assert region["region_attributes"] == {
        "fashion": "2",
        "label": "bag_yaz",
        "instance": "7",
        "score": "0.9877",
    }
    shape = region["shape_attributes"]
    assert shape["name"] == "polygon"
    corners = set(zip(shape["all_points_x"], shape["all_points_y"], strict=True))
    assert corners == {(3, 2), (13, 2), (13, 12), (3, 12)}


def test_parts_and_holes_become_one_instance_again():
    mask = block(60, 60, (5, 5, 40, 30, True), (10, 10, 20, 20, False), (45, 40, 58, 55, True))
    regions = instance_regions(mask, PICK, 1, tolerance=0)
    assert [r["region_attributes"].get("hole") for r in regions] == [None, "1", None]
    via = from_json({"1": via_entry("a.jpg", 123, mask.shape, regions)})
    assert (via.problems, via.images[0].width, via.images[0].size) == ([], 60, 123)
    (instance,), problems = image_instances(via.images[0], SEASON_TABLE)
    assert not problems
    assert (len(instance.parts), len(instance.holes), instance.score) == (2, 1, 0.9877)
    assert (regions_mask(regions, 60, 60) == mask).all()


@pytest.mark.parametrize("tolerance", [0, None])
def test_an_island_in_a_hole_stays(tolerance):
    mask = block(60, 60, (5, 5, 55, 55, True), (15, 15, 45, 45, False), (25, 25, 35, 35, True))
    regions = instance_regions(mask, PICK, 1, tolerance=tolerance)
    assert len(regions) == 3
    again = regions_mask(regions, 60, 60)
    assert again[30, 30] and not again[20, 20]
    assert (again == mask).all() if tolerance == 0 else iou(again, mask) > 0.97


def test_outlines_stay_within_the_image():
    yy, xx = np.mgrid[:50, :40]
    mask = (yy - 25) ** 2 + (xx - 38) ** 2 < 20**2  # a circle over the right edge
    (region,) = instance_regions(mask, PICK, 1)
    xs, ys = (region["shape_attributes"][f"all_points_{axis}"] for axis in "xy")
    assert min(xs) >= 0 and max(xs) <= 40 and min(ys) >= 0 and max(ys) <= 50
    assert all(round(v, 1) == v for v in [*xs, *ys])
    assert iou(regions_mask([region], 50, 40), mask) > 0.97


def test_small_things_are_dropped():
    assert instance_regions(block(20, 20), PICK, 1) == []
    speck = block(20, 20, (3, 3, 5, 5, True))
    assert len(instance_regions(speck, PICK, 1)) == 1
    assert instance_regions(speck, PICK, 1, minimum_area=5) == []
    assert instance_regions(block(1, 1, (0, 0, 1, 1, True)), PICK, 1) == []  # one pixel


def test_no_region_is_an_empty_mask():
    assert not regions_mask([], 4, 5).any()
