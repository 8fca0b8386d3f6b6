"""What scripts written for Matterport's Mask R-CNN import and call."""

import inspect
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn import model as modellib
from mrcnn import visualize
from mrcnn.errors import ConfigError, WeightsError
from mrcnn.model import MaskRCNN
from mrcnn.utils import Dataset
from mrcnn.weights.h5_reading import read_attributes
from tests.mrcnn.models import assign_recipe, tiny_config
from tests.support import REPOSITORY

# Function or layer -> the parameters that scripts pass, in their order.
SIGNATURES = {
    "BatchNorm": "",
    "DetectionLayer": "config",
    "DetectionTargetLayer": "config",
    "MaskRCNN": "mode config model_dir",
    "ProposalLayer": "proposal_count nms_threshold config",
    "PyramidROIAlign": "pool_shape",
    "apply_box_deltas_graph": "boxes deltas",
    "batch_pack_graph": "x counts num_rows",
    "build_detection_targets": "rpn_rois gt_class_ids gt_boxes gt_masks config",
    "build_fpn_mask_graph": "rois feature_maps image_meta pool_size num_classes train_bn",
    "build_rpn_model": "anchor_stride anchors_per_location depth",
    "build_rpn_targets": "image_shape anchors gt_class_ids gt_boxes config",
    "clip_boxes_graph": "boxes window",
    "compose_image_meta": (
        "image_id original_image_shape image_shape window scale active_class_ids"
    ),
    "compute_backbone_shapes": "config image_shape",
    "conv_block": "input_tensor kernel_size filters stage block strides use_bias train_bn",
    "data_generator": "dataset config shuffle augment augmentation random_rois batch_size",
    "denorm_boxes_graph": "boxes shape",
    "detection_targets_graph": "proposals gt_class_ids gt_boxes gt_masks config",
    "fpn_classifier_graph": (
        "rois feature_maps image_meta pool_size num_classes train_bn fc_layers_size"
    ),
    "generate_random_rois": "image_shape count gt_class_ids gt_boxes",
    "identity_block": "input_tensor kernel_size filters stage block use_bias train_bn",
    "load_image_gt": "dataset config image_id augment augmentation use_mini_mask",
    "log": "text array",
    "log2_graph": "x",
    "mold_image": "images config",
    "mrcnn_bbox_loss_graph": "target_bbox target_class_ids pred_bbox",
    "mrcnn_class_loss_graph": "target_class_ids pred_class_logits active_class_ids",
    "mrcnn_mask_loss_graph": "target_masks target_class_ids pred_masks",
    "norm_boxes_graph": "boxes shape",
    "overlaps_graph": "boxes1 boxes2",
    "parse_image_meta": "meta",
    "parse_image_meta_graph": "meta",
    "refine_detections_graph": "rois probs deltas window config",
    "resnet_graph": "input_image architecture stage5 train_bn",
    "rpn_bbox_loss_graph": "config target_bbox rpn_match rpn_bbox",
    "rpn_class_loss_graph": "rpn_match rpn_class_logits",
    "rpn_graph": "feature_map anchors_per_location anchor_stride",
    "smooth_l1_loss": "y_true y_pred",
    "trim_zeros_graph": "boxes name",
    "unmold_image": "normalized_images config",
}
METHODS = {
    "ancestor": "tensor name",
    "build": "mode config",
    "compile": "learning_rate momentum",
    "detect": "images verbose",
    "detect_molded": "molded_images image_metas verbose",
    "find_last": "",
    "find_trainable_layer": "layer",
    "get_anchors": "image_shape",
    "get_imagenet_weights": "",
    "get_trainable_layers": "",
    "load_weights": "filepath by_name exclude",
    "mold_inputs": "images",
    "run_graph": "images outputs image_metas",
    "set_log_dir": "model_path",
    "set_trainable": "layer_regex keras_model",
    "train": (
        "train_dataset val_dataset learning_rate epochs layers augmentation custom_callbacks "
        "no_augmentation_sources"
    ),
    "unmold_detections": "detections mrcnn_mask original_image_shape image_shape window",
}
VISUALIZE = (
    "apply_mask",
    "display_differences",
    "display_images",
    "display_instances",
    "display_table",
    "display_top_masks",
    "display_weight_stats",
    "draw_box",
    "draw_boxes",
    "draw_rois",
    "plot_overlaps",
    "plot_precision_recall",
    "random_colors",
)


def parameters(function):
    return [name for name in inspect.signature(function).parameters if name != "self"]


@pytest.mark.parametrize(("name", "expected"), SIGNATURES.items())
def test_functions_and_layers(name, expected):
    names = expected.split()
    found = getattr(modellib, name)
    if name != "BatchNorm":
        assert parameters(found)[: len(names)] == names
    assert name in modellib.__all__


@pytest.mark.parametrize(("name", "expected"), METHODS.items())
def test_methods(name, expected):
    names = expected.split()
    assert parameters(getattr(MaskRCNN, name))[: len(names)] == names


@pytest.mark.parametrize("name", VISUALIZE)
def test_drawing_functions(name):
    assert callable(getattr(visualize, name))


SCRIPT = """
import keras, h5py
import numpy as np
from mrcnn import model as modellib, utils, visualize
from mrcnn.config import Config
from mrcnn.model import log
from mrcnn.utils import Dataset

class BalloonConfig(Config):
    NAME = "balloon"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 1
    STEPS_PER_EPOCH = 100
    DETECTION_MIN_CONFIDENCE = 0.9

log("config", np.array(BalloonConfig().IMAGE_SHAPE))
"""


def test_the_imports_of_matterports_samples(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "config" in done.stdout and "(3,)" in done.stdout


# ---- the facade ----


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def model(logs):
    """Inference, two images a batch, recipe weights."""
    made = MaskRCNN(mode="inference", config=tiny_config(), model_dir=logs)
    assign_recipe(made.keras_model)
    return made


@pytest.fixture(scope="module")
def training(logs):
    return MaskRCNN(mode="training", config=tiny_config(NUM_CLASSES=3), model_dir=str(logs))


@pytest.fixture(scope="module")
def saved(model, logs):
    path = logs / "mask_rcnn_tiny.h5"
    model.save_weights(path)
    return path


def picture(seed=0, size=(100, 60)):
    return np.random.default_rng(seed).integers(0, 255, (*size, 3)).astype(np.uint8)


def assert_equal(first, second):
    for name in ("rois", "class_ids", "masks"):
        np.testing.assert_array_equal(first[name], second[name])
    np.testing.assert_allclose(first["scores"], second["scores"], atol=1e-4)


def test_attributes(model, logs):
    assert isinstance(model.keras_model, keras.Model)
    assert (model.mode, model.model_dir, model.epoch) == ("inference", str(logs), 0)
    assert model.log_dir.startswith(str(logs / "tiny20"))
    assert model.checkpoint_path.endswith("mask_rcnn_tiny_{epoch:04d}.h5")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_detect_any_number_of_images(model, count):
    images = [picture(seed) for seed in range(count)]
    results = model.detect(images)
    assert len(results) == count
    for image, result in zip(images, results, strict=True):
        assert list(result) == ["rois", "class_ids", "scores", "masks"]
        assert len(result["rois"])
        assert result["masks"].shape == (100, 60, len(result["rois"]))
        assert_equal(result, model.detect([image])[0])


def test_verbose_prints_what_goes_in(model, capsys):
    model.detect([picture()], verbose=1)
    printed = capsys.readouterr().out
    assert "Processing 1 images" in printed
    assert "shape: (100, 60, 3)" in printed and "uint8" in printed
    model.detect([picture()])
    assert capsys.readouterr().out == ""


def test_detect_molded_stays_in_molded_pixels(model, capsys):
    image = picture(size=(128, 128))
    molded, metas, windows = model.mold_inputs([image])
    assert windows.tolist() == [[0, 0, 128, 128]]
    (result,) = model.detect_molded(molded, metas, verbose=1)
    assert_equal(result, model.detect([image])[0])
    assert "molded_images" in capsys.readouterr().out


def test_detect_molded_takes_the_padding_for_image(model):
    molded, metas, windows = model.mold_inputs([picture(size=(64, 128))])
    assert windows.tolist() == [[32, 0, 96, 128]]
    (result,) = model.detect_molded(molded, metas)
    assert result["masks"].shape[:2] == (128, 128)


def test_unmold_detections(model):
    image = picture()
    molded, _, windows = model.mold_inputs([image])
    outputs = model.run_graph(
        [image],
        [
            ("detections", model.keras_model.get_layer("mrcnn_detection").output),
            ("masks", model.keras_model.get_layer("mrcnn_mask").output),
        ],
    )
    names = ("rois", "class_ids", "scores", "masks")
    found = model.unmold_detections(
        outputs["detections"][0], outputs["masks"][0], image.shape, molded[0].shape, windows[0]
    )
    assert_equal(dict(zip(names, found, strict=True)), model.detect([image])[0])


def test_get_anchors(model):
    anchors = model.get_anchors((128, 128, 3))
    assert (anchors.shape, anchors.dtype) == ((4092, 4), np.float32)
    np.testing.assert_allclose(anchors, (model.anchors - [0, 0, 1, 1]) / 127, atol=1e-6)


def test_run_graph(model, capsys):
    layer = model.keras_model.get_layer
    wanted = [
        ("proposals", layer("ROI").output),
        ("probabilities", layer("mrcnn_class").output),
        ("C1", layer("conv1").output),
    ]
    values = model.run_graph([picture()], wanted)
    assert list(values) == ["proposals", "probabilities", "C1"]
    assert values["proposals"].shape == (1, 30, 4)
    assert values["C1"].shape == (1, 64, 64, 32)
    np.testing.assert_allclose(values["probabilities"].sum(axis=2), 1, rtol=1e-5)
    assert capsys.readouterr().out.count("shape:") == 3


def test_run_graph_on_molded_images(model):
    molded, metas, _ = model.mold_inputs([picture(), picture(1)])
    output = model.keras_model.get_layer("ROI").output
    given = model.run_graph(molded, [("rois", output)], image_metas=metas)
    once = model.run_graph([picture(), picture(1)], [("rois", output)])
    np.testing.assert_array_equal(given["rois"], once["rois"])


def test_ancestor(model):
    detections = model.keras_model.outputs[0]
    proposals = model.ancestor(detections, "ROI/packed_2:0")
    assert proposals is model.keras_model.get_layer("ROI").output
    assert model.ancestor(proposals, "mrcnn_mask") is None


def test_get_trainable_layers(model):
    names = [layer.name for layer in model.get_trainable_layers()]
    assert names[0] == "conv1"
    assert {"rpn_model", "mrcnn_class_logits", "fpn_p5"} <= set(names)
    assert "ROI" not in names
    inner = [x for x in model.get_trainable_layers() if x.name == "mrcnn_class_logits"]
    assert isinstance(inner[0], keras.layers.Dense)


def test_find_trainable_layer(model):
    wrapper = model.keras_model.get_layer("mrcnn_mask")
    assert model.find_trainable_layer(wrapper) is wrapper.layer


def test_set_trainable(training, capsys):
    training.set_trainable("mrcnn_mask.*")
    printed = capsys.readouterr().out.split("\n")
    assert printed[0] == "Selecting layers to train"
    assert {line.strip()[:10] for line in printed[1:] if line} == {"mrcnn_mask"}
    names = {w.path.split("/")[-2] for w in training.keras_model.trainable_weights}
    assert "mrcnn_mask_deconv" in names and "mrcnn_class_logits" not in names
    training.set_trainable(".*", verbose=0)
    assert capsys.readouterr().out == ""


def test_compile_gives_the_keras_model_an_optimizer(training):
    training.compile(0.02, 0.8)
    optimizer = training.keras_model.optimizer
    assert isinstance(optimizer, keras.optimizers.SGD)
    assert float(optimizer.learning_rate) == pytest.approx(0.02)
    assert optimizer.momentum == 0.8
    assert optimizer.clipnorm is None  # clipping is the step's


def test_save_and_load(model, saved, tmp_path):
    before = model.detect([picture()])
    for weight in model.keras_model.weights:
        weight.assign(np.zeros(weight.shape))
    report = model.load_weights(saved)
    assert report.complete
    assert_equal(model.detect([picture()])[0], before[0])


def test_notes_are_stored_beside_the_weights(model, tmp_path):
    model.weights_attributes = {"class_names": "BG,bag,belt,boots"}
    model.save_weights(tmp_path / "noted.h5")
    model.weights_attributes = {}
    assert read_attributes(tmp_path / "noted.h5")["class_names"] == "BG,bag,belt,boots"


def test_loading_a_checkpoint_sets_epoch_and_folder(model, saved, logs):
    folder = logs / "tiny20240102T0304"
    folder.mkdir()
    checkpoint = folder / "mask_rcnn_tiny_0007.h5"
    checkpoint.write_bytes(saved.read_bytes())
    assert model.find_last() == str(checkpoint)
    model.load_weights(model.find_last(), by_name=True)
    assert (model.epoch, model.log_dir) == (7, str(folder))
    model.load_weights(saved, by_name=True)
    assert model.epoch == 0


def test_excluded_layers_keep_their_weights(model, saved):
    logits = model.keras_model.get_layer("mrcnn_class_logits").layer
    before = np.asarray(logits.kernel) + 1
    logits.kernel.assign(before)
    model.load_weights(saved, by_name=True, exclude=["mrcnn_class_logits"])
    np.testing.assert_array_equal(logits.kernel, before)
    model.load_weights(saved, by_name=True)
    assert not np.array_equal(logits.kernel, before)


# ---- what is refused, and in which words ----


def test_training_keeps_its_heads_where_the_classes_differ(training, saved, capsys):
    logits = training.keras_model.get_layer("mrcnn_class_logits").layer
    before = np.asarray(logits.kernel)
    training.load_weights(saved, by_name=True)
    printed = capsys.readouterr().out.strip()
    assert "\n" not in printed
    assert "4 classes in the file, 3 in the model" in printed
    np.testing.assert_array_equal(logits.kernel, before)
    conv1 = training.keras_model.get_layer("conv1")
    assert np.asarray(conv1.bias).any()  # a new one has none


def test_inference_refuses_another_number_of_classes(saved, logs):
    other = MaskRCNN("inference", tiny_config(NUM_CLASSES=6), logs)
    sentence = "the file is for 4 classes, the model for 6"
    with pytest.raises(WeightsError, match=sentence):
        other.load_weights(saved, by_name=True)


@pytest.mark.parametrize("mode", ["train", "", None])
def test_an_unknown_mode(mode):
    with pytest.raises(ConfigError, match="expected 'training' or 'inference'"):
        MaskRCNN(mode, tiny_config(), "logs")


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="has GPUs")
def test_gpus_that_are_not_there():
    with pytest.raises(ConfigError, match="GPU_COUNT is 2, but TensorFlow finds 0 GPUs"):
        MaskRCNN("training", tiny_config(GPU_COUNT=2), "logs")


def test_a_config_changed_after_it_was_made():
    config = tiny_config()
    config.IMAGE_MAX_DIM = 130
    with pytest.raises(ConfigError, match=r"IMAGE_MAX_DIM is 130.*multiple of 64"):
        MaskRCNN("inference", config, "logs")


def test_each_mode_does_its_own_work(model, training):
    with pytest.raises(ConfigError, match="mode='inference' and cannot be trained"):
        model.train(None, None, 0.001, 1, "heads")
    with pytest.raises(ConfigError, match="mode='training' and cannot detect"):
        training.detect([picture()])
    with pytest.raises(ConfigError, match="mode='training' and cannot detect"):
        training.detect_molded(np.zeros((1, 64, 64, 3)), np.zeros((1, 15)))


def test_a_data_set_of_other_classes(training):
    dataset = Dataset()
    for number in range(1, 5):
        dataset.add_class("drawn", number, f"shape{number}")
    dataset.prepare()
    with pytest.raises(ConfigError, match=r"NUM_CLASSES is 3, but the data set has 5.*shape1"):
        training.train(dataset, None, 0.001, 1, "heads")


def test_no_checkpoint_yet(training, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "model_dir", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="Could not find model directory"):
        training.find_last()


@pytest.mark.parametrize("array", [None, np.zeros((2, 3)), np.zeros((0, 4), np.int32)])
def test_log(array, capsys):
    modellib.log("gt_boxes", array)
    printed = capsys.readouterr().out
    assert printed.startswith("gt_boxes")
    assert ("shape:" in printed) == (array is not None)
