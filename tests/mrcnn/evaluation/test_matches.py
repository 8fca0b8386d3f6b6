import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mrcnn.evaluation.matches import (
    IGNORED,
    MOST_DETECTIONS,
    RIGHT,
    WRONG,
    confusion_matrix,
    judge,
    match_dataset,
    match_sure,
    overlaps_of,
    rows_by_image,
)
from tests.mrcnn.coco_rows import SIDE, random_case, results, truth

LEFT, MIDDLE, RIGHT_SIDE = (0, 0, 20, 20), (0, 30, 20, 50), (0, 60, 20, 80)
HALF = (0, 0, 20, 10)  # of LEFT


def one_image(there, found):
    (_, true_rows, found_rows), *_ = rows_by_image(truth([there]), results([found]))
    return overlaps_of(true_rows, found_rows)


def verdicts(there, found, iou=0.5):
    return judge(one_image(there, found), iou).tolist()


def test_right_wrong_and_the_wrong_class():
    found = [(1, LEFT, 0.9), (1, RIGHT_SIDE, 0.8), (2, MIDDLE, 0.7)]
    assert verdicts([(1, LEFT), (1, MIDDLE)], found) == [RIGHT, WRONG, WRONG]


def test_the_surest_takes_the_instance_even_if_another_fits_better():
    found = [(1, LEFT, 0.6), (1, HALF, 0.9)]
    assert verdicts([(1, LEFT)], found) == [WRONG, RIGHT]


def test_the_limit_itself_matches():
    assert verdicts([(1, LEFT)], [(1, HALF, 0.9)], 0.5) == [RIGHT]
    assert verdicts([(1, LEFT)], [(1, HALF, 0.9)], 0.51) == [WRONG]


def test_what_lies_in_a_crowd_of_its_class_does_not_count():
    found = [(1, HALF, 0.9), (1, LEFT, 0.8), (2, HALF, 0.7)]
    assert verdicts([(-1, LEFT)], found) == [IGNORED, IGNORED, WRONG]


def test_no_more_than_coco_takes_of_a_class():
    found = [(1, MIDDLE, 0.9)] * MOST_DETECTIONS + [(1, LEFT, 0.1)]
    assert verdicts([(1, LEFT)], found)[-2:] == [WRONG, IGNORED]


def test_matches_across_classes_are_pairs_too():
    image = one_image([(1, LEFT), (2, MIDDLE)], [(3, MIDDLE, 0.9), (1, LEFT, 0.2), (1, LEFT, 0.6)])
    pairs, alone = match_sure(image, 0.5, 0.5)
    assert sorted(pairs) == [(0, 2), (1, 0)] and alone.tolist() == []


@pytest.mark.parametrize("seed", range(4))
def test_the_confusion_is_that_of_whole_masks(seed):
    """Of encoded masks and of decoded ones: the same counts, crowds included."""
    there, found = random_case(seed)

    def decoded(rows, signs):
        masks = [coco_mask.decode(row["segmentation"]).astype(bool) for row in rows]
        ids = [row["category_id"] * sign for row, sign in zip(rows, signs, strict=True)]
        stack = np.stack([*masks, np.zeros((SIDE, SIDE), bool)], -1)[..., :-1]
        return {"masks": stack, "class_ids": np.array(ids, int)}

    images = list(rows_by_image(there, found))
    whole = confusion_matrix(
        [decoded(rows, [-1 if row["iscrowd"] else 1 for row in rows]) for _, rows, _ in images],
        [
            decoded(rows, [1] * len(rows)) | {"scores": np.array([row["score"] for row in rows])}
            for *_, rows in images
        ],
        4,
        score=0.3,
    )
    matches = match_dataset(there, found, 4, score=0.3)
    assert matches.confusion.tolist() == whole.tolist()
    assert matches.confusion[1:].sum() == matches.instances.sum() > 10
    assert (matches.ious >= 0.5).sum() == np.trace(matches.confusion)


def test_quality_of_images():
    there = [[(1, LEFT), (1, MIDDLE)], [(1, LEFT)], [], [], [(-1, LEFT)]]
    found = [
        [(1, LEFT, 0.9), (1, (0, 30, 20, 46), 0.9)],  # IoU 1 and .8
        [(2, LEFT, 0.9), (1, LEFT, 0.4)],  # the right one is not sure enough
        [(3, LEFT, 0.9)],
        [],
        [(1, HALF, 0.9)],
    ]
    images = match_dataset(truth(there), results(found), 4).images
    assert [(i.right, i.wrong, i.missed) for i in images] == [
        (2, 0, 0),
        (0, 1, 1),
        (0, 1, 0),
        (0, 0, 0),
        (0, 0, 0),
    ]
    assert [i.quality for i in images] == pytest.approx([0.9, 0, 0, None, None])
    assert images[0].mean_iou == pytest.approx(0.9) and images[1].mean_iou is None


def test_touched_a_little_is_not_untouched():
    there = [[(1, LEFT), (1, MIDDLE), (2, RIGHT_SIDE)]]
    found = [[(1, (0, 15, 20, 35), 0.9), (1, MIDDLE, 0.8)]]
    matches = match_dataset(truth(there), results(found), 4)
    assert sorted(matches.ious) == pytest.approx([100 / 700, 1])


def test_nothing_at_all_and_other_images():
    nothing = match_dataset(truth([]), [], 4)
    assert nothing.images == [] and nothing.verdicts.shape == (0, 2) and not nothing.ious.size
    other = results([[], [(1, LEFT, 0.9)]])
    assert len(match_dataset(truth([[(1, LEFT)]]), other, 4).scores) == 0
