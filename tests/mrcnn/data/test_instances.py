"""Masks and class ids of users' own data sets: one kind for all, or a sentence."""

import numpy as np
import pytest

from mrcnn.data.dataset import Dataset
from mrcnn.data.ground_truth import load_image_gt
from mrcnn.data.instances import MOST_LOADED, load_instances, require_class_ids
from mrcnn.data.pass_order import classes_of_images
from mrcnn.errors import DatasetError
from mrcnn.evaluation.coco_ap import average_precision, ground_truth, results_of
from mrcnn.geometry.mini_masks import MaskCrop
from tests.mrcnn.golden_dataset import MemoryDataset, make_config

WEDGE = np.zeros((40, 40, 2), bool)
WEDGE[4:36, 4:20, 0] = True
WEDGE[10:30, 22:38, 1] = True


class Given(Dataset):
    """One image whose masks and class ids are given."""

    def __init__(self, masks, class_ids):
        super().__init__()
        self.masks, self.given = masks, class_ids
        for number, name in enumerate(("bag", "belt", "boots"), 1):
            self.add_class("own", number, name)
        self.add_image("own", 0, "folder/shirt.png")
        self.prepare()

    def load_image(self, image_id):
        return np.zeros((40, 40, 3), np.uint8)

    def load_mask(self, image_id):
        return self.masks, self.given


def of_every_kind():
    yield WEDGE
    yield WEDGE.astype(np.uint8)
    yield WEDGE.astype(np.uint8) * np.uint8(255)
    yield np.where(WEDGE, 0.8, 0.2)
    yield np.where(WEDGE, 200.0, 20.0).astype(np.float32)
    yield WEDGE.astype(np.int64) * 254


@pytest.mark.parametrize("masks", of_every_kind(), ids=lambda masks: f"{masks.dtype}-{masks.max()}")
def test_masks_of_every_kind_are_the_same_everywhere(masks):
    dataset, config = Given(masks, [1, 3]), make_config(NUM_CLASSES=4)
    loaded, class_ids = load_instances(dataset, 0)
    assert loaded.dtype == bool and class_ids.dtype == np.int32
    np.testing.assert_array_equal(loaded, WEDGE)
    plain = load_image_gt(Given(WEDGE, np.array([1, 3], np.int32)), config, 0, use_mini_mask=True)
    for mine, theirs in zip(
        load_image_gt(dataset, config, 0, use_mini_mask=True), plain, strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
    truth = ground_truth(dataset)
    assert [row["area"] for row in truth["annotations"]] == [32 * 16, 20 * 16]
    found = {"rois": plain[3], "class_ids": [1, 3], "scores": [0.9, 0.8], "masks": WEDGE}
    found["rois"] = np.array([[4, 4, 36, 20], [10, 22, 30, 38]])
    assert average_precision(truth, results_of(0, found))["segm"]["AP"] == pytest.approx(1)
    assert classes_of_images(dataset)[0].tolist() == [1, 3]


def test_areas_do_not_wrap():
    # 512 pixels of 255 are 130,560: 0 in sixteen bits less two, and 255-fold in any case.
    masks = np.zeros((40, 40, 1), np.uint8)
    masks[:32, :16] = 255
    (row,) = ground_truth(Given(masks, [2]))["annotations"]
    assert row["area"] == 512 and row["bbox"] == [0, 0, 16, 32]


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        (WEDGE.astype(np.uint8) * 7, "found numbers from 0 to 7"),  # a label map's number
        (np.where(WEDGE, 1000, 0), "found numbers from 0 to 1000"),
        (np.where(WEDGE, 1.0, -1.0), "found numbers from -1 to 1"),
        (np.where(WEDGE, np.nan, 0.0), "found numbers from nan to nan"),
        (WEDGE.astype("U5"), "its masks are not numbers"),
        (WEDGE[:, :, 0], r"the masks are not \[height, width, N\]"),
    ],
)
def test_what_is_no_mask_is_refused(masks, said):
    with pytest.raises(DatasetError, match=said):
        load_instances(Given(masks, [1, 1]), 0)


@pytest.mark.parametrize(
    ("class_ids", "said"),
    [
        ([1], "another number of class ids than of masks: expected 2, found 1"),
        ([1, 2, 3], "another number of class ids than of masks: expected 2, found 3"),
        ([1, 4], "expected whole numbers from 1 to 3, negative for a crowd, found 1, 4"),
        ([-4, 1], "found -4, 1"),
        ([0, 1], "found 0, 1"),
        ([1.5, 1], "found 1.5, 1.0"),
        (["bag", "belt"], "found bag, belt"),
    ],
)
def test_class_ids_that_are_none_are_refused(class_ids, said):
    dataset = Given(WEDGE, class_ids)
    for use in (load_instances, lambda d, i: load_image_gt(d, make_config(), i)):
        with pytest.raises(DatasetError, match=said) as refused:
            use(dataset, 0)
        assert str(refused.value).startswith("folder/shirt.png: ")


def test_class_ids_of_crops_are_checked_too():
    class Crops(Given):
        def load_mask_crops(self, image_id):
            return [MaskCrop(WEDGE[:, :, 0], 0, 0)], np.array([9])

    with pytest.raises(DatasetError, match="found 9"):
        load_image_gt(Crops(WEDGE, [1, 1]), make_config(NUM_CLASSES=4), 0, use_mini_mask=True)


def test_crowds_and_images_without_instances():
    assert load_instances(Given(WEDGE, np.array([-3, 2.0])), 0)[1].tolist() == [-3, 2]
    masks, class_ids = load_instances(Given(np.zeros((0, 0, 0), bool), []), 0)
    assert masks.shape == (0, 0, 0) and class_ids.shape == (0,) and class_ids.dtype == np.int32


def test_an_instance_without_a_pixel_is_not_missed():
    masks = WEDGE.copy()
    masks[:, :, 1] = False
    assert [row["category_id"] for row in ground_truth(Given(masks, [1, 3]))["annotations"]] == [1]


class Counting(MemoryDataset):
    """So many images with one instance of class 1, but for one image; it notes which are loaded."""

    def __init__(self, count, wrong):
        masks = np.ones((4, 4, 1), bool)
        super().__init__([(None, masks, [5 if i == wrong else 1]) for i in range(count)])
        self.loaded = []

    def load_mask(self, image_id):
        self.loaded.append(image_id)
        return super().load_mask(image_id)


def test_class_ids_are_looked_at_before_a_training():
    with pytest.raises(DatasetError, match="its class ids are not those of classes"):
        require_class_ids(Counting(3, wrong=2))
    require_class_ids(MemoryDataset([]))
    large = Counting(MOST_LOADED * 2 + 1, wrong=1)
    require_class_ids(large)
    assert len(large.loaded) <= MOST_LOADED
    assert large.loaded[:3] == [0, 3, 6]

    class Unreadable(Counting):
        def load_mask(self, image_id):
            raise KeyError("colour")

    require_class_ids(Unreadable(2, wrong=1))  # for the loader, which names the image
