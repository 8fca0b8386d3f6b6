import json
import multiprocessing
import pickle

import numpy as np
import pytest

from fashion.annotations.locating import find_annotations
from fashion.dataset import FashionDataset
from fashion.labels import MODANET_TABLE, SEASON_TABLE, ClassTable
from fashion.pictures.listing import image_size
from mrcnn.config import Config
from mrcnn.data.ground_truth import load_image_gt
from mrcnn.errors import DatasetError
from tests.fashion.factories import (
    SQUARE,
    coco_data,
    dataset_folder,
    entry,
    region,
    via_1,
    via_project,
    write_image,
    write_json,
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def load(root, subset="train", table=MODANET_TABLE, **options):
    dataset = FashionDataset().load(root, subset, table, **options)
    dataset.prepare()
    return dataset


@pytest.fixture
def folder(tmp_path):
    """Two images: one with a bag in two parts, with a hole, and a top that leaves the image."""
    regions = [
        region(label="bag", instance="1"),
        region([(30, 10), (36, 10), (36, 20), (30, 20)], label="bag", instance="1"),
        region([(12, 12), (18, 12), (18, 18), (12, 18)], instance="1", hole="1"),
        region([(20, -9), (60, -9), (60, 5), (20, 5)], label="top"),
    ]
    return dataset_folder(tmp_path, [entry("a.jpg", regions), entry("b.jpg", [region()])])


# --- loading --------------------------------------------------------------------------------


def test_images_classes_and_sizes(folder):
    dataset = load(folder)
    assert dataset.num_images == 2
    assert dataset.class_names == ["BG", *MODANET_TABLE.names]
    assert dataset.image_reference(0) == str(folder / "train" / "a.jpg")
    info = dataset.image_info[0]
    assert (info["source"], info["id"], info["width"], info["height"]) == (
        "fashion",
        "a.jpg",
        40,
        30,
    )
    assert dataset.load_image(0).shape == (30, 40, 3)
    assert dataset.summary() == "2 images, 3 instances"


def test_masks_are_one_an_instance(folder):
    masks, class_ids = load(folder).load_mask(0)
    assert masks.shape == (30, 40, 2)
    assert masks.dtype == bool
    assert class_ids.tolist() == [1, 9]
    assert class_ids.dtype == np.int32
    bag, top = np.moveaxis(masks, -1, 0)
    assert bag.sum() == 100 + 60 - 36
    assert bag[10:20, 30:36].all()
    assert not bag[12:18, 12:18].any()
    assert top.sum() == 20 * 5
    assert top[:5, 20:].all()


def test_mask_crops_are_the_full_masks_within_their_extent(folder):
    dataset = load(folder)
    for image_id in dataset.image_ids:
        masks, class_ids = dataset.load_mask(image_id)
        crops, found_ids = dataset.load_mask_crops(image_id)
        assert (found_ids == class_ids).all()
        for number, (crop, top, left) in enumerate(crops):
            pasted = np.zeros(masks.shape[:2], bool)
            pasted[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
            assert (pasted == masks[:, :, number]).all()
            assert crop.size < pasted.size


@pytest.mark.parametrize("sides", [(64, 128), (20, 64)])  # enlarged and shrunk
def test_training_sees_the_same_without_full_size_masks(folder, monkeypatch, sides):
    config = Config()
    config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM = sides
    dataset = load(folder)
    truths = [load_image_gt(dataset, config, i, use_mini_mask=True) for i in dataset.image_ids]
    monkeypatch.delattr(FashionDataset, "load_mask_crops")
    for image_id, truth in zip(dataset.image_ids, truths, strict=True):
        expected = load_image_gt(dataset, config, image_id, use_mini_mask=True)
        for found, wanted in zip(truth, expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
            assert found.dtype == wanted.dtype


def test_an_instance_without_a_pixel_has_an_empty_mask(tmp_path):
    between = region([(3.1, 3.1), (3.4, 3.1), (3.4, 3.4)], label="top")
    dataset = load(dataset_folder(tmp_path, [entry(regions=[between])]))
    masks, class_ids = dataset.load_mask(0)
    assert masks.sum() == 0
    assert class_ids.tolist() == [9]
    (crop,), class_ids = dataset.load_mask_crops(0)
    assert not crop.mask.any()
    assert class_ids.tolist() == [9]


@pytest.mark.parametrize("form", [lambda d: d, via_1, via_project])
def test_every_form_of_via_is_taken(tmp_path, form):
    write_json(tmp_path / "val" / "via_region_data.json", form({"x": entry(regions=[region()])}))
    write_image(tmp_path / "val" / "a.jpg")
    assert load(tmp_path, "val").load_mask(0)[0].sum() == 100


def test_a_coco_file_beside_the_images_is_taken(tmp_path):
    crowd = {
        "iscrowd": 1,
        "category_id": 2,
        "segmentation": {"size": [30, 40], "counts": [0, 1200]},
    }
    write_json(tmp_path / "train" / "instances.json", coco_data([{}, crowd]))
    write_image(tmp_path / "train" / "a.jpg")
    masks, class_ids = load(tmp_path).load_mask(0)
    assert class_ids.tolist() == [1, -2]  # a crowd counts as negative
    assert masks.sum(axis=(0, 1)).tolist() == [100, 1200]


def test_any_class_table(tmp_path):
    regions = [region(label="hat"), region(fashion="2")]
    root = dataset_folder(tmp_path, [entry(regions=regions)])
    assert load(root, table=ClassTable(["glove", "hat"])).load_mask(0)[1].tolist() == [2, 2]
    dataset = load(root, table=SEASON_TABLE)  # there, 2 is the code of bag_yaz
    assert dataset.load_mask(0)[1].tolist() == [2]
    assert "hat" in dataset.summary()


def test_a_folder_without_subsets_is_its_own(folder):
    assert load(folder / "train", "").num_images == 2


def test_several_folders_make_one_data_set(folder):
    dataset_folder(folder, [entry("c.jpg", [region(label="belt")])], "val")
    dataset = FashionDataset()
    dataset.load(folder, "train", MODANET_TABLE).load(folder, "val", MODANET_TABLE).prepare()
    assert dataset.num_images == 3
    assert dataset.load_mask(2)[1].tolist() == [2]
    with pytest.raises(DatasetError, match="one class table"):
        dataset.load(folder, "val", SEASON_TABLE)


def test_class_numbers_are_the_tables(folder):
    dataset = FashionDataset()
    dataset.add_class("fashion", 1, "bag")  # as a script may, though `load` does
    with pytest.raises(DatasetError, match="register no others"):
        dataset.load(folder, "train", MODANET_TABLE)


def test_instances_of_some_classes(folder):
    dataset = load(folder, instances_of=["top"])
    assert dataset.load_mask(0)[1].tolist() == [9]
    assert dataset.left_out == ["b.jpg"]
    assert "1 image without instances left out" in dataset.summary()
    with pytest.raises(DatasetError, match="no instance of skirt"):
        load(folder, instances_of=["skirt"])
    with pytest.raises(DatasetError, match='"sock" is not a class'):
        load(folder, instances_of=["sock"])


def test_images_without_instances_stay_on_request(tmp_path):
    root = dataset_folder(tmp_path, [entry("a.jpg", [region()]), entry("b.jpg")])
    assert load(root).left_out == ["b.jpg"]
    dataset = load(root, keep_empty=True)
    masks, class_ids = dataset.load_mask(1)
    assert masks.shape == (30, 40, 0)
    assert class_ids.shape == (0,)
    crops, class_ids = dataset.load_mask_crops(1)
    assert crops == []
    assert class_ids.shape == (0,)


# --- image sizes ----------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", [None, 1, 3, 6, 8])
def test_a_missing_size_comes_from_the_upright_image(tmp_path, orientation):
    """Annotations refer to the picture as VIA shows it: turned by its EXIF orientation."""
    write_json(
        tmp_path / "train" / "via_region_data.json", {"x": entry(size=None, regions=[region()])}
    )
    path = write_image(tmp_path / "train" / "a.jpg", 40, 30, orientation)
    expected = (30, 40) if orientation in (6, 8) else (40, 30)
    assert image_size(path) == expected
    dataset = load(tmp_path)
    assert dataset.load_image(0).shape[:2] == expected[::-1]
    assert dataset.load_mask(0)[0].shape[:2] == expected[::-1]


def test_a_region_outside_of_the_real_image_is_left_out(tmp_path):
    away = region([(41, 5), (60, 5), (60, 20)])
    dataset_folder(tmp_path, [entry(size=None, regions=[region(), away])])
    dataset = load(tmp_path)
    assert [problem.region for problem in dataset.problems] == [2]
    assert dataset.load_mask(0)[0].shape[-1] == 1


def test_an_image_of_another_size_than_its_annotations_is_refused(folder):
    write_image(folder / "train" / "a.jpg", 80, 60)
    with pytest.raises(DatasetError, match=r"80 x 60 pixels.*40 x 30"):
        load(folder).load_image(0)


def test_an_image_that_cannot_be_read_is_named(tmp_path):
    write_json(
        tmp_path / "train" / "via_region_data.json", {"x": entry(size=None, regions=[region()])}
    )
    (tmp_path / "train" / "a.jpg").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"a\.jpg: not a readable image"):
        load(tmp_path)
    with pytest.raises(DatasetError, match="there is no such image file"):
        image_size(tmp_path / "no.jpg")


# --- errors ---------------------------------------------------------------------------------


def test_missing_folders_say_what_is_expected(tmp_path):
    with pytest.raises(DatasetError, match="expected train/ and val/"):
        load(tmp_path / "nothing")
    with pytest.raises(DatasetError, match="has no folder train"):
        load(tmp_path)


def test_missing_and_ambiguous_annotations(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(DatasetError, match=r"has no via_region_data\.json"):
        load(tmp_path)
    write_json(tmp_path / "train" / "one.json", {})
    assert find_annotations(tmp_path / "train").name == "one.json"
    write_json(tmp_path / "train" / "one.report.json", {})
    assert find_annotations(tmp_path / "train").name == "one.json"
    write_json(tmp_path / "train" / "two.json", {})
    with pytest.raises(DatasetError, match=r"one\.json, two\.json"):
        load(tmp_path)


def test_broken_json_is_located(folder):
    (folder / "train" / "via_region_data.json").write_text('{"x": {"filename": "a.jpg",\n oops')
    with pytest.raises(DatasetError, match=r"via_region_data\.json: it is not valid JSON.*line 2"):
        load(folder)


def test_absent_images_are_listed_and_counted(tmp_path):
    entries = [entry(f"{n}.jpg", [region()]) for n in range(9)]
    dataset_folder(tmp_path, entries, write_images=False)
    write_image(tmp_path / "train" / "3.jpg")
    with pytest.raises(DatasetError) as error:
        load(tmp_path)
    assert "8 of 9 images" in str(error.value)
    assert "0.jpg, 1.jpg, 2.jpg, 4.jpg, 5.jpg and 3 more" in str(error.value)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([], "no region in its 0 images"),
        ([entry()], "no region in its 1 image"),
        ([entry(regions=[region(label="sock")])], 'label "sock".*classes are bag, belt'),
        ([entry(regions=[region(SQUARE[:2], label="bag")])], "fewer than 3 points"),
    ],
)
def test_a_data_set_without_instances_says_why(tmp_path, entries, reason):
    with pytest.raises(DatasetError, match=reason):
        load(dataset_folder(tmp_path, entries))


def test_unknown_labels_are_left_out_or_stop(tmp_path):
    root = dataset_folder(tmp_path, [entry(regions=[region(), region(label="sock")])])
    dataset = load(root)
    assert dataset.load_mask(0)[1].tolist() == [1]
    assert str(dataset.problems[0]) == 'a.jpg, region 2: the label "sock" is not in the class table'
    with pytest.raises(DatasetError, match="sock"):
        load(root, strict=True)


def test_a_failed_load_leaves_the_data_set_as_it_was(folder):
    dataset = FashionDataset().load(folder, "train", MODANET_TABLE)
    bad = [entry("c.jpg", [region()]), entry("d.jpg", [region(), region(label="sock")])]
    dataset_folder(folder, bad, "val")
    with pytest.raises(DatasetError):
        dataset.load(folder, "val", MODANET_TABLE, strict=True)
    assert len(dataset.image_info) == 2
    assert dataset.problems == []


# --- worker processes -----------------------------------------------------------------------


def masks_in_worker(dataset):
    return [dataset.load_mask(image_id)[0].sum() for image_id in dataset.image_ids]


def test_a_spawned_worker_loads_the_same(folder):
    dataset = load(folder)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(masks_in_worker, [dataset]) == masks_in_worker(dataset)


def test_it_can_be_pickled(folder):
    dataset = load(folder)
    again = pickle.loads(pickle.dumps(dataset))
    assert (again.load_mask(0)[0] == dataset.load_mask(0)[0]).all()
    json.dumps(again.class_names)
