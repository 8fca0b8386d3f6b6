import numpy as np
import pytest
from PIL import Image

from mrcnn.data.dataset import Dataset
from mrcnn.errors import DatasetError


@pytest.fixture
def dataset(tmp_path):
    """Two sources, two images; ids are numbers in one source and texts in the other."""
    Image.fromarray(np.full((6, 9, 4), 77, np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.full((6, 9), 5, np.uint8)).save(tmp_path / "b.png")
    dataset = Dataset()
    dataset.add_class("modanet", 1, "bag")
    dataset.add_class("modanet", 13, "scarf/tie,scarf & tie")
    dataset.add_class("season", "yaz", "skirt_yaz")
    dataset.add_image("modanet", image_id=377, path=tmp_path / "a.png", width=9, height=6)
    dataset.add_image("season", image_id="b", path=tmp_path / "b.png")
    dataset.prepare()
    return dataset


def test_prepare_numbers_classes_and_images(dataset):
    assert dataset.num_classes == 4
    assert dataset.class_ids.tolist() == [0, 1, 2, 3]
    # of several names of a class the first counts
    assert dataset.class_names == ["BG", "bag", "scarf/tie", "skirt_yaz"]
    assert dataset.num_images == 2
    assert dataset.image_ids.tolist() == [0, 1]
    assert dataset.sources == ["", "modanet", "season"]
    assert dataset.class_info[0] == {"source": "", "id": 0, "name": "BG"}


def test_source_class_ids_always_hold_the_background(dataset):
    assert dataset.source_class_ids == {"": [0], "modanet": [0, 1, 2], "season": [0, 3]}


def test_numbers_and_source_ids_map_both_ways(dataset):
    assert dataset.map_source_class_id("modanet.13") == 2
    assert dataset.map_source_class_id("season.yaz") == 3
    assert dataset.get_source_class_id(2, "modanet") == 13
    assert dataset.image_from_source_map == {"modanet.377": 0, "season.b": 1}
    with pytest.raises(DatasetError, match="another source: expected 'season', found 'modanet'"):
        dataset.get_source_class_id(2, "season")


def test_image_info_keeps_what_was_given(dataset, tmp_path):
    assert dataset.image_info[0]["path"] == tmp_path / "a.png"
    assert dataset.image_info[0]["width"] == 9
    assert dataset.source_image_link(1) == tmp_path / "b.png"
    assert dataset.image_reference(1) == ""


def test_a_class_is_added_once(dataset):
    dataset.add_class("modanet", 1, "another bag")
    dataset.add_class("season", 1, "coat")
    dataset.prepare()
    assert dataset.class_names == ["BG", "bag", "scarf/tie", "skirt_yaz", "coat"]


def test_a_source_has_no_dot():
    with pytest.raises(DatasetError, match=r"'moda\.net' has a dot"):
        Dataset().add_class("moda.net", 1, "bag")


def test_load_image_is_rgb(dataset):
    """Alpha is dropped and grey repeated."""
    assert dataset.load_image(0).shape == (6, 9, 3)
    assert (dataset.load_image(0) == 77).all()
    assert dataset.load_image(1).shape == (6, 9, 3)


def test_load_image_names_the_missing_file(dataset, tmp_path):
    (tmp_path / "a.png").unlink()
    with pytest.raises(DatasetError, match=r"a\.png: there is no such image file"):
        dataset.load_image(0)


def test_load_mask_of_the_base_class_knows_no_instance(dataset):
    masks, class_ids = dataset.load_mask(0)
    assert masks.shape == (0, 0, 0)
    assert (class_ids.shape, class_ids.dtype) == ((0,), np.int32)


def test_append_data_takes_over_another_data_set(dataset):
    joined = Dataset()
    joined.add_class("modanet", 1, "bag")
    joined.append_data(dataset.class_info, dataset.image_info)
    joined.prepare()
    assert joined.class_names == dataset.class_names
    assert joined.image_info == dataset.image_info
    joined.image_info[0]["width"] = 1
    assert dataset.image_info[0]["width"] == 9


def test_empty_dataset():
    dataset = Dataset()
    assert len(dataset.image_ids) == 0
    dataset.prepare()
    assert dataset.class_names == ["BG"]
    assert len(dataset.image_ids) == 0
