"""A last checkpoint that is cut short or gone: the one before serves, and nothing is lost."""

import numpy as np
import pytest

from fashion.stages.models import weights_path
from fashion.stages.stage import Stage
from fashion.stages.train import set_damaged_aside
from mrcnn.errors import WeightsError
from mrcnn.training.checkpoints import (
    find_last,
    find_last_readable,
    readable_before,
    set_aside,
)
from mrcnn.training.state import read_progress
from mrcnn.weights.h5_writing import write_layers
from tests.faults.test_full_disk import same_arrays
from tests.mrcnn.tiny import ShapesDataset, TinyConfig

FOLDER = "shapes20240102T0304"


@pytest.fixture
def logs(tmp_path):
    """Three checkpoints of one training."""
    folder = tmp_path / FOLDER
    folder.mkdir()
    for epoch in range(3):
        values = [("layer", [("kernel:0", np.full(1000, epoch))])]
        write_layers(folder / f"mask_rcnn_shapes_{epoch:04d}.h5", values)
    return tmp_path


def cut(path, share):
    """Cut a file short."""
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def checkpoint(logs, epoch):
    return logs / FOLDER / f"mask_rcnn_shapes_{epoch:04d}.h5"


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_the_one_before_a_checkpoint_cut_short_is_found(logs, share):
    cut(checkpoint(logs, 2), share)
    assert find_last(logs, "shapes") == checkpoint(logs, 2)  # Matterport's: the name alone counts
    assert find_last_readable(logs, "shapes") == (checkpoint(logs, 1), [checkpoint(logs, 2)])
    assert readable_before(checkpoint(logs, 2)) == checkpoint(logs, 1)


def test_whole_checkpoints_are_taken_as_they_are(logs):
    assert find_last_readable(logs, "shapes") == (checkpoint(logs, 2), [])
    assert readable_before(checkpoint(logs, 2)) is None
    assert readable_before(logs / "nothing.h5") is None


def test_all_checkpoints_damaged(logs):
    for epoch in range(3):
        cut(checkpoint(logs, epoch), 0.5)
    with pytest.raises(WeightsError, match=r"_0002\.h5: is damaged or cut short"):
        find_last_readable(logs, "shapes")
    assert readable_before(checkpoint(logs, 2)) is None


def test_the_scripts_last_is_the_last_that_is_whole(logs, capsys, tmp_path):
    cut(checkpoint(logs, 2), 0.5)
    cut(checkpoint(logs, 1), 0.5)
    stage = Stage("shapes", tmp_path, (), "none.h5")
    assert weights_path("last", stage, logs) == checkpoint(logs, 0)
    reported = capsys.readouterr().out
    assert f"{checkpoint(logs, 2)} is damaged: using mask_rcnn_shapes_0000.h5" in reported
    assert all(checkpoint(logs, epoch).exists() for epoch in range(3))
    # A training resumes in this folder, so it also clears the way.
    set_damaged_aside(logs, stage.name)
    assert find_last(logs, "shapes") == checkpoint(logs, 0)
    names = {path.name for path in (logs / FOLDER).iterdir()}
    assert {"damaged_mask_rcnn_shapes_0001.h5", "damaged_mask_rcnn_shapes_0002.h5"} < names


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The log folder of two epochs."""
    from mrcnn.model import MaskRCNN

    logs = tmp_path_factory.mktemp("logs")
    model = MaskRCNN("training", config(), logs)
    model.train(ShapesDataset(6), None, 0.01, 2, "all")
    return logs


def config():
    return type("Short", (TinyConfig,), {"STEPS_PER_EPOCH": 2, "LOADER_WORKERS": 0})()


@pytest.mark.parametrize("damage", ["cut short", "never written"])
def test_the_state_stands_for_the_last_checkpoint(trained, damage, capsys):
    """It is written first, and holds the same weights: a kill, or a disk, between the two."""
    from mrcnn.model import MaskRCNN

    last = find_last(trained, "shapes")
    best = last.with_name("best_mask_rcnn_shapes.h5")
    history = last.with_name("history.csv")
    before, rows = last.with_name("whole.h5"), history.read_text()
    last.rename(before)
    best.unlink(missing_ok=True)
    history.write_text("".join(rows.splitlines(keepends=True)[:-1]))
    model = MaskRCNN("training", config(), trained)
    if damage == "cut short":
        last.write_bytes(before.read_bytes()[:5000])
        with pytest.raises(WeightsError, match=r"_0002\.h5: is damaged.* before it.*_0001\.h5\."):
            model.load_weights(last, by_name=True)
        set_aside(last)
    model.load_weights(model.find_last(), by_name=True)
    model.train(ShapesDataset(6), None, 0.01, 2, "all")
    told = capsys.readouterr().out
    assert "at epoch 3, step 1" in told and "2 of 2 epochs done already" in told
    assert find_last(trained, "shapes") == last
    assert same_arrays(last, before)
    assert history.read_text() == rows
    assert best.exists() == (read_progress(last.parent).best_epoch == 2)
    before.unlink()
