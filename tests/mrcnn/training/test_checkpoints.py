"""Names and places of checkpoints."""

import datetime
from pathlib import Path

import h5py
import numpy as np
import pytest

from mrcnn.errors import WeightsNotFoundError
from mrcnn.training.checkpoints import (
    STAMP,
    LogFolder,
    choose_log_folder,
    find_last,
    readable_before,
)
from tests.support import golden_json

BEHAVIOUR = golden_json("behaviour")
LOGS = BEHAVIOUR["set_log_dir"]


def now():
    return f"{datetime.datetime.now():{STAMP}}"


@pytest.mark.parametrize("case", LOGS["cases"], ids=lambda case: case["path"])
def test_log_folder_of_the_reference(case):
    before = now()
    log = choose_log_folder(LOGS["model_dir"], LOGS["config_NAME"], case["path"])
    times = {before, now()}  # the minute may just have turned
    assert log.epoch == case["epoch"]
    assert str(log.folder) in {case["log_dir"].replace("<now>", t) for t in times}
    assert log.pattern in {case["checkpoint_path"].replace("<now>", t) for t in times}


@pytest.mark.parametrize("path", [None, "", Path("mask_rcnn_coco.h5")])
def test_a_new_training_begins_at_epoch_0(path):
    log = choose_log_folder("logs", "Fashion", path)
    assert log.epoch == 0
    assert log.folder.name.startswith("fashion20")


def test_a_path_object_is_read_like_a_text():
    path = Path("/logs/fashion20240102T0304/mask_rcnn_fashion_0007.h5")
    assert choose_log_folder("/logs", "Fashion", path).epoch == 7


def test_without_a_name_the_folder_is_the_time_alone():
    assert len(choose_log_folder("logs", "").folder.name) == len("20240102T0304")


@pytest.mark.parametrize(
    ("epoch", "name"),
    [
        (1, "mask_rcnn_fashion_0001.h5"),
        (75, "mask_rcnn_fashion_0075.h5"),
        (12345, "mask_rcnn_fashion_12345.h5"),
    ],
)
def test_checkpoint_names(epoch, name):
    assert LogFolder(Path("logs/x"), "fashion", 0).checkpoint(epoch) == Path("logs/x") / name


def make(root, files):
    for name in files:
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


# Not the last case: there Matterport's takes the folder of `fashionista` for one of `fashion`, and
# a script would go on with another training's weights. The measured file stays as it is;
# `test_folders_of_a_longer_name_are_others` asserts the opposite.
@pytest.mark.parametrize("case", BEHAVIOUR["find_last"][:-1], ids=lambda case: case["files"][-1])
def test_find_last_of_the_reference(case, tmp_path):
    make(tmp_path, case["files"])
    result = case["result"]
    if not result.startswith("FileNotFoundError"):
        assert find_last(tmp_path, "Fashion") == tmp_path / result
        return
    sentence = result.partition("] ")[2].replace("<dir>", str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        find_last(tmp_path, "Fashion")
    assert str(caught.value).startswith(sentence)
    assert isinstance(caught.value, WeightsNotFoundError)


def test_folders_of_a_longer_name_are_others(tmp_path):
    make(tmp_path, BEHAVIOUR["find_last"][-1]["files"])
    assert find_last(tmp_path, "Fashion").name == "mask_rcnn_fashion_0001.h5"
    own = "shapes20240101T0000/mask_rcnn_shapes_0003.h5"
    make(tmp_path, [own, "shapes_big20250101T0000/mask_rcnn_shapes_big_0009.h5", "shapes9/"])
    assert find_last(tmp_path, "shapes") == tmp_path / own
    assert find_last(tmp_path, "shapes_big").name == "mask_rcnn_shapes_big_0009.h5"
    with pytest.raises(WeightsNotFoundError, match="begins with 'shape' and ends with a time"):
        find_last(tmp_path, "shape")


def test_only_a_checkpoint_of_the_same_training_comes_before_a_damaged_one(tmp_path):
    for name in ("mask_rcnn_a_0001.h5", "mask_rcnn_a_0003.h5", "mask_rcnn_b_0002.h5"):
        with h5py.File(tmp_path / name, "w") as file:
            file.attrs["layer_names"] = np.array([b"conv1"])
            file.create_group("conv1").attrs["weight_names"] = np.array([], "S1")
    make(tmp_path, ["mask_rcnn_coco.h5", "mask_rcnn_b_0001.h5", "mask_rcnn_a_0004.h5"])
    assert readable_before(tmp_path / "mask_rcnn_a_0004.h5") == tmp_path / "mask_rcnn_a_0003.h5"
    assert readable_before(tmp_path / "mask_rcnn_b_0001.h5") is None
    assert readable_before(tmp_path / "mask_rcnn_coco.h5") is None
    assert readable_before(tmp_path / "mask_rcnn_a_0003.h5") is None  # whole


NAMES = ["my shapes", "v1.2", "shapes[a]", "c++", "", "größe", "{x}", "2024", "a_b-c"]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_resumes_in_its_folder(name, tmp_path):
    log = LogFolder(tmp_path / f"{name}20240102T0304", name, 0)
    make(tmp_path, [str(log.checkpoint(7).relative_to(tmp_path))])
    last = find_last(tmp_path, name)
    assert last == log.checkpoint(7) == Path(log.pattern.format(epoch=7))
    resumed = choose_log_folder(tmp_path, name, last)
    assert (resumed.folder, resumed.epoch) == (log.folder, 7)
    assert resumed.checkpoints() == [last]


@pytest.mark.parametrize("files", [[], ["fashion_notes.txt"]], ids=["empty", "a file only"])
def test_no_training_yet(files, tmp_path):
    make(tmp_path, files)
    with pytest.raises(WeightsNotFoundError, match="begins with 'fashion'"):
        find_last(tmp_path, "Fashion")


def test_no_folder_of_logs(tmp_path):
    with pytest.raises(WeightsNotFoundError, match="Could not find model directory"):
        find_last(tmp_path / "nowhere", "Fashion")
