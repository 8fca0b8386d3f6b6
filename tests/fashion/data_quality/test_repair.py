import copy
import json

import pytest

from fashion.data_quality import repair
from mrcnn.errors import DatasetError
from tests.fashion.factories import coco_data
from tests.support import shared

LEFT = [10, 10, 30, 10, 30, 22, 10, 22]  # 20 x 12 at (10, 10)
RIGHT = [50, 12, 68, 12, 68, 26, 50, 26]  # 18 x 14 at (50, 12)
STRAP = [14, 4, 18, 4, 18, 12, 14, 12]  # 4 x 8, sticks out of LEFT at the top
BUCKLE = [12, 12, 16, 12, 16, 14, 12, 14]  # within LEFT
IMAGES = [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 80}]
CATEGORIES = ("bag", "belt", "boots", "footwear")


def shoe(box, *polygons, **more):
    entry = {"image_id": 1, "category_id": 4, "bbox": box, "segmentation": list(polygons)}
    return {**entry, "area": box[2] * box[3], **more}


def repaired(*annotations, **settings):
    data = coco_data(annotations, IMAGES, CATEGORIES)
    before = copy.deepcopy(data)
    result = repair.repair(data, **settings)
    assert data == before  # the input is left alone
    return result


def parts(result):
    return [entry["segmentation"] for entry in result.data["annotations"]]


def boxes(result):
    return [entry["bbox"] for entry in result.data["annotations"]]


def test_a_pair_of_shoes_that_both_instances_carry():
    result = repaired(shoe([50, 12, 20, 12], LEFT, RIGHT), shoe([50, 12, 18, 14], LEFT, RIGHT))
    assert parts(result) == [[LEFT], [RIGHT]]
    assert boxes(result) == [[10, 10, 20, 12], [50, 12, 18, 14]]
    assert result.rows["footwear"].repaired == {"one": 2, "all": 0, "several": 0}
    assert (len(result.doubled_before), len(result.doubled_after)) == (1, 0)


@pytest.mark.parametrize(
    ("box", "polygons", "kept", "how"),
    [
        # right already: nothing happens
        ([10, 10, 20, 12], [LEFT], [LEFT], None),
        # a pixel off is right as well
        ([11, 10, 20, 12], [LEFT], [LEFT], None),
        # only the position is wrong
        ([70, 60, 20, 12], [LEFT], [LEFT], "one"),
        # a pixel too wide, where nothing fits better
        ([70, 60, 21, 12], [LEFT, RIGHT], [LEFT], "one"),
        # all polygons together: x 10 to 68, y 10 to 26
        ([70, 60, 58, 16], [LEFT, RIGHT], [LEFT, RIGHT], "all"),
        # two of three: x 10 to 30, y 4 to 22
        ([70, 60, 20, 18], [LEFT, RIGHT, STRAP], [LEFT, STRAP], "several"),
        # what lies within the polygon and is in no other instance stays with it
        ([70, 60, 20, 12], [LEFT, BUCKLE], [LEFT, BUCKLE], "one"),
    ],
)
def test_the_polygons_that_have_the_boxs_size_stay(box, polygons, kept, how):
    result = repaired(shoe(box, *polygons))
    assert parts(result) == [kept]
    row = result.rows["footwear"]
    assert row.wrong_before == (how is not None)
    assert row.wrong_after == 0
    assert row.repaired == {**dict.fromkeys(repair.HOWS, 0), **({how: 1} if how else {})}


def test_shoes_of_one_size_are_shared_out():
    """Both polygons fit both boxes: each instance gets another."""
    twin = [x + 40 if i % 2 == 0 else x for i, x in enumerate(LEFT)]
    result = repaired(shoe([70, 60, 20, 12], LEFT, twin), shoe([70, 60, 20, 12], LEFT, twin))
    assert parts(result) == [[LEFT], [twin]]


def test_one_or_all_leaves_several_unrepaired():
    result = repaired(shoe([70, 60, 20, 18], LEFT, RIGHT, STRAP), several=False)
    assert parts(result) == [[LEFT, RIGHT, STRAP]]
    assert boxes(result) == [[70, 60, 20, 18]]
    (entry,) = result.unrepaired
    assert "a.jpg, annotation 1 (footwear): no polygon is 20 x 18 pixels" in str(entry)
    assert entry.extents[1] == [50, 12, 18, 14]


def test_a_polygon_that_no_instance_keeps_is_reported():
    result = repaired(shoe([70, 60, 20, 12], LEFT, RIGHT))
    assert parts(result) == [[LEFT]]
    assert result.left_over == [("a.jpg", 1, 1)]


def test_areas_are_recomputed_as_the_file_means_them():
    of_box = repaired(shoe([70, 60, 21, 12], LEFT))
    assert of_box.data["annotations"][0]["area"] == 20 * 12
    triangle = [10, 10, 30, 10, 10, 30]
    of_mask = repaired(shoe([70, 60, 20, 20], triangle, area=123))
    assert of_mask.data["annotations"][0]["area"] == pytest.approx(200, abs=12)


@pytest.mark.parametrize(
    "annotation",
    [
        # another class
        shoe([70, 60, 20, 12], LEFT, RIGHT, category_id=1),
        # a crowd, run-lengths, no outline, an image that is not there
        shoe([70, 60, 20, 12], LEFT, RIGHT, iscrowd=1),
        shoe([70, 60, 20, 12], segmentation={"size": [80, 100], "counts": [8000]}),
        shoe([70, 60, 20, 12], segmentation=[]),
        shoe([70, 60, 20, 12], LEFT, RIGHT, image_id=9),
    ],
)
def test_what_is_not_looked_at_stays_as_it_is(annotation):
    result = repaired(annotation)
    (found,) = result.data["annotations"]
    assert found == {"id": 1, "iscrowd": 0, **annotation}
    assert result.total().instances == 0


def test_other_classes_by_name():
    bag = shoe([70, 60, 20, 12], LEFT, RIGHT, category_id=1)
    assert parts(repaired(bag, classes=["Bag"])) == [[LEFT]]
    with pytest.raises(DatasetError, match="has no category skirt; its categories are bag, belt"):
        repaired(bag, classes=["skirt"])


def test_doubled_masks_of_any_class():
    nearly = [11, 10, *LEFT[2:]]
    data = coco_data(
        [shoe([10, 10, 20, 12], LEFT), shoe([10, 10, 20, 12], nearly, category_id=3)],
        IMAGES,
        CATEGORIES,
    )
    (found,) = repair.doubled_masks(data)
    assert found.labels == ("footwear", "boots")
    assert 0.9 < found.iou < 1
    assert str(found).startswith("a.jpg, annotations 1 and 2 (footwear and boots): IoU 0.9")
    assert repair.doubled_masks(coco_data((), IMAGES, CATEGORIES)) == []


def test_modanet():
    """DESIGN section 4: over 70 % are wrong; one polygon, or all, repair 93 to 97 % of these."""
    data = json.loads(shared("modanet", "instances_val.json").read_text())
    result = repair.repair(data)
    for name in repair.DEFECTIVE_CLASSES:
        row = result.rows[name]
        assert row.wrong_before > 0.7 * row.instances
    total = result.total()
    assert (total.instances, total.wrong_before) == (1885, 1355)
    assert 0.93 <= (total.repaired["one"] + total.repaired["all"]) / total.wrong_before <= 0.97
    # Several polygons together repair the rest of this file, and no outline is lost by it.
    assert (total.wrong_after, result.unrepaired, result.left_over) == (0, [], [])
    assert (len(result.doubled_before), len(result.doubled_after)) == (390, 0)

    simple = repair.repair(data, several=False)
    assert 0.93 <= 1 - len(simple.unrepaired) / total.wrong_before <= 0.97
    assert simple.total().wrong_after == len(simple.unrepaired)

    again = repair.repair(result.data)
    assert again.data == result.data
