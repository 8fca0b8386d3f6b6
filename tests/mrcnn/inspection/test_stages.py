"""The steps between an image and its detections, beside what the network itself gives."""

import numpy as np
import pytest

from mrcnn.errors import ConfigError, DatasetError
from mrcnn.geometry.boxes import non_max_suppression
from mrcnn.images.molding import mold_image
from mrcnn.inspection import stages as inspection
from mrcnn.inspection.stages import (
    detection_stages,
    proposal_stages,
    recall,
    run,
    to_pixels,
)
from mrcnn.model import MaskRCNN
from tests.mrcnn.models import assign_recipe, tiny_config
from tests.mrcnn.tiny import ShapesDataset

NAMES = ["BG", "square", "disc"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    config = tiny_config(IMAGES_PER_GPU=1, NUM_CLASSES=3)
    made = MaskRCNN("inference", config, tmp_path_factory.mktemp("logs"))
    assign_recipe(made.keras_model)
    return made


@pytest.fixture(scope="module")
def scene(model):
    return inspection.scene_of_dataset(ShapesDataset(1), model.config, 0)


@pytest.fixture(scope="module")
def values(model, scene):
    return run(model, scene)


def test_an_image_of_a_data_set_comes_with_its_truth(scene):
    assert scene.image.shape == (128, 128, 3) and scene.image.dtype == np.uint8
    assert scene.truth.class_ids.tolist() == [1, 2] and scene.truth.masks.shape == (128, 128, 2)
    np.testing.assert_array_equal(scene.instances, scene.truth.boxes)


def test_a_photograph_is_molded_alike(model, scene):
    image = ShapesDataset(1).load_image(0)
    other = inspection.scene_of_image(image, model.config, "a.jpg")
    np.testing.assert_array_equal(other.image, scene.image)
    assert other.window == scene.window
    assert other.truth is None and other.instances.shape == (0, 4)
    with pytest.raises(DatasetError, match="not an image for this model"):
        inspection.scene_of_image(image[..., 0], model.config)


def test_values_are_those_of_the_network(model, scene, values, capsys):
    anchors = model.get_anchors(scene.image.shape)
    inputs = [mold_image(scene.image, model.config).astype("f4"), scene.meta.astype("f4"), anchors]
    outputs = model.keras_model([x[None] for x in inputs])
    names = ["mrcnn_detection", "mrcnn_class", "mrcnn_bbox", "mrcnn_mask", "ROI", "rpn_class"]
    for name, output in zip(names, outputs[:6], strict=True):
        np.testing.assert_allclose(values[name], output[0], rtol=1e-4, atol=1e-4)
        assert values[name].dtype == np.float32
    run(model, scene, ["conv1"], outputs=())
    assert capsys.readouterr().out == "", "nothing is printed"


def test_proposals_step_by_step(model, scene, values):
    config = model.config
    stages = proposal_stages(values, scene, config)
    assert stages.total == len(values["rpn_class"])
    assert len(stages.scores) == min(config.PRE_NMS_LIMIT, stages.total)
    assert (np.diff(stages.scores) <= 0).all()
    assert stages.scores[0] == values["rpn_class"][:, 1].max()
    assert stages.clipped.min() >= 0 and stages.clipped.max() <= 128
    inside = (stages.refined >= 0).all(axis=1) & (stages.refined <= 127).all(axis=1)
    np.testing.assert_allclose(stages.clipped[inside], stages.refined[inside])
    # Non-maximum suppression of what was clipped gives the network's own proposals.
    normal = (stages.clipped - [0, 0, 1, 1]) / 127
    kept = non_max_suppression(normal, stages.scores, config.RPN_NMS_THRESHOLD)
    expected = stages.clipped[kept[: config.POST_NMS_ROIS_INFERENCE]]
    np.testing.assert_allclose(stages.kept, expected, atol=1e-2)


def test_figures_of_proposals(model, scene, values):
    figures = proposal_stages(values, scene, model.config).figures()
    assert list(figures) == ["anchors by score", "refined", "clipped", "after NMS"]
    assert all(0 <= of["recall_70"] <= of["recall_50"] <= 1 for of in figures.values())
    blind = inspection.scene_of_image(scene.image, model.config)
    figures = proposal_stages(values, blind, model.config).figures()
    assert figures["clipped"]["recall_50"] is None and figures["clipped"]["boxes"] == 200


def test_detections_step_by_step_end_in_the_networks(model, scene, values):
    stages = detection_stages(values, scene, model.config)
    own = values["mrcnn_detection"]
    own = own[own[:, 4] > 0]
    assert len(own) and len(stages.kept) == len(own)
    np.testing.assert_array_equal(stages.class_ids[stages.kept], own[:, 4])
    np.testing.assert_allclose(stages.scores[stages.kept], own[:, 5], rtol=1e-5)
    boxes = to_pixels(own[:, :4], scene.image.shape)
    np.testing.assert_allclose(stages.boxes[stages.kept], boxes, atol=1e-2)
    for number, class_id in enumerate(own[:, 4].astype(int)):
        expected = values["mrcnn_mask"][number, ..., class_id]
        np.testing.assert_array_equal(stages.masks[number], expected)
    counts = stages.counts(NAMES)
    assert sum(of["proposals"] for of in counts.values()) == len(stages.rois)
    assert sum(of["after NMS"] for of in counts.values()) == len(own)


def test_a_threshold_that_nothing_reaches(model, scene, values):
    config = tiny_config(DETECTION_MIN_CONFIDENCE=1.0, NUM_CLASSES=3)
    stages = detection_stages(values, scene, config)
    assert len(stages.kept) == 0 and not stages.confident.any()
    assert stages.masks.shape == (0, 28, 28)
    assert all(of["after NMS"] == 0 for of in stages.counts(NAMES).values())


def test_recall():
    truth = np.array([[0, 0, 10, 10], [20, 20, 30, 30]])
    boxes = np.array([[0, 0, 10, 6], [50, 50, 60, 60]])
    assert recall(boxes, truth, 0.5) == 0.5
    assert recall(boxes, truth, 0.7) == 0
    assert recall(boxes[:0], truth, 0.5) == 0
    assert recall(boxes, truth[:0], 0.5) is None


def test_layers_that_are_not_there(model, scene):
    with pytest.raises(ConfigError, match=r"no layer 'res2c_ot': expected .*res2"):
        run(model, scene, ["res2c_ot"])


def test_a_training_model_is_refused(scene, tmp_path):
    trainer = MaskRCNN("training", tiny_config(), tmp_path)
    with pytest.raises(ConfigError, match="expected mode 'inference'"):
        run(trainer, scene)
