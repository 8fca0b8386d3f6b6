import pytest

from fashion.annotations.locating import (
    check_present,
    find_annotations,
    read_annotations,
    some,
    subset_folder,
)
from mrcnn.errors import DatasetError
from tests.fashion.factories import coco_data, dataset_folder, entry, region, write_json


def test_a_subset_is_a_folder_of_the_data_set(tmp_path):
    (tmp_path / "val").mkdir()
    assert subset_folder(tmp_path, "val") == tmp_path / "val"
    assert subset_folder(tmp_path, "") == tmp_path
    with pytest.raises(DatasetError) as error:
        subset_folder(tmp_path, "train")
    assert error.value.path == tmp_path
    assert error.value.expected == "train/ and val/, each with images and via_region_data.json"


def test_the_annotations_are_the_only_json_file_that_is_no_report(tmp_path):
    for name in ("instances.json", "instances.report.json", "classes.json", ".hidden.json"):
        write_json(tmp_path / name, {})
    assert find_annotations(tmp_path) == tmp_path / "instances.json"
    write_json(tmp_path / "via_region_data.json", {})
    assert find_annotations(tmp_path) == tmp_path / "via_region_data.json"


@pytest.mark.parametrize("data", [{"x": entry(regions=[region()])}, coco_data([{}])])
def test_both_formats_are_read_alike(tmp_path, data):
    (image,) = read_annotations(write_json(tmp_path / "x.json", data))
    (found,) = image.regions
    assert (image.filename, image.width, image.height) == ("a.jpg", 40, 30)
    assert (found.attributes["label"], found.attributes["fashion"]) == ("bag", "1")
    assert found.points.tolist() == [[10, 10], [20, 10], [20, 20], [10, 20]]


def test_images_that_are_not_there_are_named(tmp_path):
    entries = [entry(f"{n}.jpg") for n in range(3)]
    folder = dataset_folder(tmp_path, entries) / "train"
    path = find_annotations(folder)
    check_present(read_annotations(path), folder, path)
    (folder / "1.jpg").unlink()
    with pytest.raises(DatasetError, match=r"1 of 3 images .* cannot be found in .*: 1\.jpg;"):
        check_present(read_annotations(path), folder, path)


def test_of_many_names_some_are_shown():
    assert some([]) == ""
    assert some(list("abcde")) == "a, b, c, d, e"
    assert some(list("abcdefg")) == "a, b, c, d, e and 2 more"
