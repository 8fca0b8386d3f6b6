"""The whole network: the contract with weight files, and what each Config attribute does to it."""

import functools
import hashlib

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.config import LOSS_NAMES, Config
from mrcnn.errors import ConfigError
from mrcnn.network.build import NormaliseBoxes, build_model, pyramid_anchors
from mrcnn.network.graph_queries import PRESETS, set_trainable
from mrcnn.weights.matching import layer_weights, load_weights, save_weights
from tests.mrcnn.models import (
    assign_recipe,
    inference_inputs,
    tiny_batch,
    tiny_config,
)
from tests.support import golden_json

CONTRACT = golden_json("weights_contract")
BUILDS = [tuple(key.split("/")) for key in CONTRACT if "/" in key]
# The TF2 port that made the contract holds its anchors as a weight; Matterport's files do not.
NO_WEIGHTS = {"anchors"}


def contract(architecture, mode):
    return CONTRACT[f"{architecture}/{mode}"]


def weight_layers(architecture, mode):
    stored = contract(architecture, mode)["weight_layers_in_h5_order"]
    return [layer for layer in stored if layer["layer"] not in NO_WEIGHTS]


# ---- the contract with weight files ----


class ContractConfig(Config):
    """What the weights contract was written with."""

    NUM_CLASSES = 14
    IMAGES_PER_GPU = 2
    IMAGE_MAX_DIM = 256
    IMAGE_MIN_DIM = 256


@pytest.fixture(scope="module")
def contract_model():
    """A function (architecture, mode) -> network of the contract's size; weights are random."""

    @functools.cache
    def build(architecture, mode):
        return build_model(mode, type("Sized", (ContractConfig,), {"BACKBONE": architecture})())

    return build


@pytest.mark.parametrize(("architecture", "mode"), BUILDS)
def test_weights_of_each_layer(contract_model, architecture, mode):
    model = contract_model(architecture, mode)
    ours = {
        layer.name: [[name, list(weight.shape)] for name, weight in layer_weights(layer)]
        for layer in model.layers
        if layer.weights
    }
    theirs = {
        layer["layer"]: [[w["weight_name"], w["shape"]] for w in layer["weights"]]
        for layer in weight_layers(architecture, mode)
    }
    assert ours == theirs
    assert {w.dtype for w in model.weights} >= {"float32"}


@pytest.mark.parametrize(("architecture", "mode"), BUILDS)
def test_number_of_parameters(contract_model, architecture, mode):
    model = contract_model(architecture, mode)
    count = sum(w.value.shape.num_elements() for x in model.layers for _, w in layer_weights(x))
    assert count == contract(architecture, mode)["total_parameters_without_anchors"]


@pytest.mark.parametrize(("architecture", "mode"), BUILDS)
def test_named_layers_of_the_graph(contract_model, architecture, mode):
    named = {
        layer["name"]
        for layer in contract(architecture, mode)["graph_layers"]
        if not layer["autonamed"]
    }
    missing = named - {layer.name for layer in contract_model(architecture, mode).layers}
    assert missing == set()


@pytest.mark.parametrize(("architecture", "mode"), BUILDS)
def test_inputs(contract_model, architecture, mode):
    model = contract_model(architecture, mode)
    for ours, theirs in zip(
        model.inputs, contract(architecture, mode)["model_inputs"], strict=True
    ):
        assert f"{ours.name}:0" == theirs["name"]
        assert f"TensorShape({list(ours.shape)})" == theirs["shape"]
        assert ours.dtype == theirs["dtype"]


@pytest.mark.parametrize(("architecture", "mode"), BUILDS)
def test_outputs(contract_model, architecture, mode):
    model = contract_model(architecture, mode)
    theirs = contract(architecture, mode)["model_outputs"]
    assert len(model.outputs) == len(theirs) == {"training": 14, "inference": 7}[mode]
    assert [len(o.shape) for o in model.outputs] == [
        0 if t["shape"] == "TensorShape([])" else t["shape"].count(",") + 1 for t in theirs
    ]
    assert [o.shape[-1] for o in model.outputs if o.shape] == [
        int(t["shape"].split(",")[-1].strip(" ])"))
        for t in theirs
        if t["shape"] != "TensorShape([])"
    ]
    assert {o.dtype for o in model.outputs} == {"float32"}


@pytest.fixture(scope="module")
def recipe_file(contract_model, tmp_path_factory):
    """The recipe's weights of an inference ResNet-50, in a file."""
    path = tmp_path_factory.mktemp("recipe") / "mask_rcnn_recipe.h5"
    model = contract_model("resnet50", "inference")
    assign_recipe(model)
    save_weights(model, path)
    return path


def test_bytes_paths_and_order_in_a_file(recipe_file):
    digest = hashlib.sha256()
    with h5py.File(recipe_file) as file:
        listed = [name.decode() for name in file.attrs["layer_names"]]
        stored = weight_layers("resnet50", "inference")
        with_weights = [name for name in listed if len(file[name].attrs["weight_names"])]
        ours = {name: file[name].attrs["weight_names"] for name in with_weights}
        assert set(with_weights) == {layer["layer"] for layer in stored}
        for layer in stored:
            names = [name.decode() for name in ours[layer["layer"]]]
            assert names == [w["weight_name"] for w in layer["weights"]]
            for weight in layer["weights"]:
                dataset = file[weight["h5_dataset"]]
                assert (list(dataset.shape), str(dataset.dtype)) == (weight["shape"], "float32")
                digest.update(dataset[()].tobytes())
    assert digest.hexdigest().startswith("db297d08cecb49b3")


def test_layers_stand_in_the_files_in_the_order_of_the_contract(recipe_file):
    with h5py.File(recipe_file) as file:
        listed = [name.decode() for name in file.attrs["layer_names"]]
    order = [layer["layer"] for layer in weight_layers("resnet50", "inference")]
    assert [name for name in listed if name in set(order)] == order


def test_a_training_network_takes_an_inference_file_by_name(contract_model, recipe_file, tmp_path):
    training = contract_model("resnet50", "training")
    report = load_weights(training, recipe_file, by_name=True)
    assert report.complete
    path = tmp_path / "training.h5"
    save_weights(training, path)
    inference = contract_model("resnet50", "inference")
    before = [np.asarray(w) for w in inference.weights]
    for weight in inference.weights:
        weight.assign(np.zeros(weight.shape))
    assert load_weights(inference, path, by_name=True).complete
    for weight, value in zip(inference.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_a_resnet_101_takes_what_a_resnet_50_file_has(contract_model, recipe_file):
    report = load_weights(contract_model("resnet101", "inference"), recipe_file, by_name=True)
    assert len(report.loaded) == len(weight_layers("resnet50", "inference"))
    assert report.missing_in_file[0] == "res4g_branch2a"
    assert report.unused_in_file == []


@pytest.mark.parametrize("architecture", ["resnet50", "resnet101"])
@pytest.mark.parametrize("preset", PRESETS)
def test_what_a_preset_trains(contract_model, architecture, preset):
    model = contract_model(architecture, "training")
    stored = contract(architecture, "training")["trainable_after_set_trainable"][preset]
    assert PRESETS[preset] == stored["regex"]
    selected = set_trainable(model, PRESETS[preset])
    expected = set(stored["layers_with_trainable_weights"]) - NO_WEIGHTS
    assert set(selected) == expected
    ports = len(set(stored["layers_with_trainable_weights"]) & NO_WEIGHTS)
    assert len(model.trainable_weights) == stored["n_trainable_weights"] - ports
    parameters = sum(w.value.shape.num_elements() for w in model.trainable_weights)
    assert parameters == stored["n_trainable_params_without_anchors"]


def test_no_lambda_layers(contract_model):
    for layer in contract_model("resnet50", "training").layers:
        assert not isinstance(layer, keras.layers.Lambda)


# ---- Config attributes, on a small network ----


def test_add_gt_to_proposals_lets_the_heads_learn_what_the_rpn_misses(build):
    """The proposals miss every instance: the only positive RoIs are the annotations' own boxes."""
    sampled = {}
    for add in (False, True):
        config, model = build("training", USE_RPN_ROIS=False, ADD_GT_TO_PROPOSALS=add)
        batch = tiny_batch(config)
        batch[5][:, :2] = [[4, 4, 40, 40], [60, 60, 120, 120]]
        given = np.tile(np.array([100, 0, 120, 20], np.int32), (2, 40, 1))
        outputs = model([*batch, given], training=True)
        sampled[add] = outputs[8].numpy(), losses_by_name(outputs)
    rois, losses = sampled[False]
    assert not rois.any() and losses["mrcnn_mask_loss"] == 0, "no positive, so nothing at all"
    rois, losses = sampled[True]
    truth = (batch[5][:, :2] - [0, 0, 1, 1]) / 127
    for image in range(2):
        positives = sorted(rois[image][:2].tolist())
        np.testing.assert_allclose(positives, sorted(truth[image].tolist()), atol=1e-6)
        proposal = (given[0, 0] - [0, 0, 1, 1]) / 127
        negatives = rois[image][2:][rois[image][2:].any(axis=1)]
        assert len(negatives), "negatives too"
        np.testing.assert_allclose(negatives, np.tile(proposal, (len(negatives), 1)), atol=1e-6)
    assert losses["mrcnn_mask_loss"] > 0 and losses["mrcnn_bbox_loss"] >= 0


def test_gt_is_no_candidate_unless_asked(build):
    config, model = build("training")
    assert config.ADD_GT_TO_PROPOSALS is False
    assert "candidates" not in [layer.name for layer in model.layers]


@pytest.fixture
def build():
    """A function (mode, attributes) -> configuration and network."""

    def build_tiny(mode, **changes):
        keras.utils.set_random_seed(0)
        config = tiny_config(**changes)
        return config, build_model(mode, config)

    return build_tiny


def losses_of(model, batch, training=True):
    return losses_by_name(model(batch, training=training))


def losses_by_name(outputs):
    return dict(zip(LOSS_NAMES, map(float, outputs[-5:]), strict=True))


@pytest.mark.parametrize(("channels", "mean"), [(1, [120.0]), (4, [120.0, 110.0, 100.0, 0.0])])
def test_image_channel_count(build, channels, mean):
    changes = {"IMAGE_CHANNEL_COUNT": channels, "MEAN_PIXEL": np.array(mean)}
    config, model = build("inference", **changes)
    assert model.inputs[0].shape == (None, None, None, channels)
    assert model.get_layer("conv1").kernel.shape[2] == channels
    detections = model(inference_inputs(config))[0]
    assert detections.shape == (1, 6, 6)
    config, model = build("training", **changes)
    assert np.isfinite(list(losses_of(model, tiny_batch(config)).values())).all()


def test_training_gives_finite_losses_and_rois(build):
    config, model = build("training")
    outputs = model(tiny_batch(config), training=True)
    assert [tuple(o.shape) for o in outputs] == [
        (2, 4092, 2),
        (2, 4092, 2),
        (2, 4092, 4),
        (2, 12, 4),
        (2, 12, 4),
        (2, 12, 4, 4),
        (2, 3, 28, 28, 4),  # masks of the RoIs that may be positive: int(12 * .33)
        (2, 40, 4),
        (2, 12, 4),
        *[()] * 5,
    ]
    assert all(np.isfinite(o).all() for o in outputs)


def test_use_rpn_rois_false_takes_regions_as_an_input(build):
    config, model = build("training", USE_RPN_ROIS=False)
    assert len(model.inputs) == 8
    assert model.inputs[7].name == "input_roi"
    assert model.inputs[7].shape == (None, 40, 4)
    batch = tiny_batch(config)
    given = np.tile(np.array([100, 0, 120, 20], np.int32), (2, 40, 1))
    given[:, :2] = batch[5][:, :2]  # the instances themselves
    outputs = model([*batch, given], training=True)
    sampled = outputs[8].numpy()
    normalised = ((given - [0, 0, 1, 1]) / 127).astype(np.float32)
    for image in range(2):
        rows = sampled[image][sampled[image].any(axis=1)]
        np.testing.assert_allclose(np.unique(rows, axis=0), np.unique(normalised[image], axis=0))


@pytest.mark.parametrize(
    ("train_bn", "training", "updated"),
    [
        (False, True, False),
        (None, True, True),
        (None, False, False),
        (True, True, True),
        (True, False, True),
    ],
)
def test_train_bn(build, train_bn, training, updated):
    config, model = build("training", TRAIN_BN=train_bn)
    norms = ["mrcnn_class_bn1", "mrcnn_mask_bn4"]
    before = [np.asarray(model.get_layer(n).layer.moving_mean) for n in norms]
    model(tiny_batch(config), training=training)
    for name, value in zip(norms, before, strict=True):
        moved = not np.array_equal(model.get_layer(name).layer.moving_mean, value)
        assert moved == updated, name


def test_with_batch_statistics_all_rois_pass_the_mask_head(build):
    # They belong to the statistics, although the loss looks at positive ones only.
    _, model = build("training", TRAIN_BN=None)
    assert model.outputs[6].shape[1] == 12


@pytest.mark.parametrize("mini", [True, False])
def test_use_mini_mask(build, mini):
    config, model = build("training", USE_MINI_MASK=mini, MINI_MASK_SHAPE=(24, 32))
    size = (24, 32) if mini else (128, 128)
    assert model.inputs[6].shape == (None, *size, None)
    assert np.isfinite(losses_of(model, tiny_batch(config))["mrcnn_mask_loss"])


WIDTHS = {
    "NUM_CLASSES": 9,
    "TOP_DOWN_PYRAMID_SIZE": 8,
    "RPN_CHANNELS": 6,
    "RPN_ANCHOR_RATIOS": [0.5, 2],
    "FPN_CLASSIF_FC_LAYERS_SIZE": 10,
    "POOL_SIZE": 5,
    "MASK_HEAD_CHANNELS": 24,
}
SHAPES = {
    "fpn_c5p5": (1, 1, 1024, 8),
    "fpn_p2": (3, 3, 8, 8),
    "rpn_conv_shared": (3, 3, 8, 6),
    "rpn_class_raw": (1, 1, 6, 4),
    "rpn_bbox_pred": (1, 1, 6, 8),
    "mrcnn_class_conv1": (5, 5, 8, 10),
    "mrcnn_class_conv2": (1, 1, 10, 10),
    "mrcnn_class_logits": (10, 9),
    "mrcnn_bbox_fc": (10, 36),
    "mrcnn_mask_conv1": (3, 3, 8, 24),
    "mrcnn_mask_deconv": (2, 2, 24, 24),
    "mrcnn_mask": (1, 1, 24, 9),
}


def test_widths(build):
    _, model = build("inference", **WIDTHS)
    kernels = {
        name.split("/")[0]: tuple(weight.shape)
        for layer in model.layers
        for name, weight in layer_weights(layer)
        if name.endswith("kernel:0")
    }
    assert {name: kernels[name] for name in SHAPES} == SHAPES


def test_pictures_of_several_sizes_are_for_detection_only():
    config = tiny_config(IMAGE_RESIZE_MODE="fit64")
    with pytest.raises(
        ConfigError, match=r"'fit64', which .* is for detection only; train with 'square'"
    ):
        build_model("training", config)


def test_channels_first_are_refused():
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ConfigError, match=r"set_image_data_format\('channels_last'\)"):
            build_model("inference", tiny_config())
    finally:
        keras.config.set_image_data_format("channels_last")


def test_numbers_of_rows(build):
    config, model = build(
        "inference",
        POST_NMS_ROIS_INFERENCE=7,
        DETECTION_MAX_INSTANCES=3,
        MASK_POOL_SIZE=10,
        MASK_SHAPE=[20, 20],
        RPN_ANCHOR_STRIDE=2,
        RPN_ANCHOR_RATIOS=[0.5, 2],
    )
    anchors = 2 * (16**2 + 8**2 + 4**2 + 2**2 + 1)
    assert [tuple(o.shape) for o in model(inference_inputs(config))] == [
        (1, 3, 6),
        (1, 7, 4),
        (1, 7, 4, 4),
        (1, 3, 20, 20, 4),
        (1, 7, 4),
        (1, anchors, 2),
        (1, anchors, 4),
    ]


def test_thresholds_reach_their_layers(build):
    _, model = build(
        "inference",
        RPN_NMS_THRESHOLD=0.4,
        PRE_NMS_LIMIT=99,
        RPN_BBOX_STD_DEV=np.array([1.0, 2, 3, 4]),
        DETECTION_NMS_THRESHOLD=0.2,
        DETECTION_MIN_CONFIDENCE=0.25,
        BBOX_STD_DEV=np.array([5.0, 6, 7, 8]),
        DETECTION_MAX_INSTANCES=5,
    )
    proposals = model.get_layer("ROI")
    assert (proposals.nms_threshold, proposals.pre_nms_limit) == (0.4, 99)
    assert proposals.bbox_std_dev == [1, 2, 3, 4]
    assert model.get_layer("mrcnn_detection").settings == {
        "bbox_std_dev": [5, 6, 7, 8],
        "min_confidence": 0.25,
        "nms_threshold": 0.2,
        "every_class": False,
        "max_instances": 5,
        "last_class": None,
    }


def test_training_takes_its_own_number_of_proposals_and_rois(build):
    _, model = build("training", POST_NMS_ROIS_TRAINING=9, TRAIN_ROIS_PER_IMAGE=8)
    assert model.outputs[7].shape == (None, 9, 4)
    assert model.outputs[8].shape == (None, 8, 4)


def test_a_named_resnet_and_a_callable_give_the_same_maps(contract_model):
    model = contract_model("resnet50", "inference")
    assert model.get_layer("res4f_out").output.shape[-1] == 1024
    config = Config()
    config.BACKBONE = "resnet50"
    assert pyramid_anchors(config, (1024, 1024)).shape == (261888, 4)


def test_the_callable_decides_on_anchor_shapes(build):
    def shapes(image_shape):
        return np.array([[image_shape[0] // s, image_shape[1] // s] for s in (4, 8, 16, 32, 64)])

    config = tiny_config(COMPUTE_BACKBONE_SHAPE=staticmethod(shapes))
    assert pyramid_anchors(config, (128, 64)).shape == (3 * (512 + 128 + 32 + 8 + 2), 4)


def test_each_image_gets_the_anchors_whatever_the_batch(build):
    config, model = build("training", IMAGES_PER_GPU=1)
    assert np.isfinite(list(losses_of(model, tiny_batch(config)).values())).all()
    config = tiny_config(IMAGES_PER_GPU=3)
    assert np.isfinite(list(losses_of(model, tiny_batch(config)).values())).all()


def test_no_instance_in_the_batch(build):
    config, model = build("training")
    batch = tiny_batch(config)
    batch[2][:], batch[3][:], batch[4][:], batch[5][:] = -1, 0, 0, 0
    losses = losses_of(model, batch)
    assert losses["rpn_class_loss"] > 0
    assert losses["mrcnn_class_loss"] > 0  # padding counts as background
    assert losses["rpn_bbox_loss"] == losses["mrcnn_bbox_loss"] == losses["mrcnn_mask_loss"] == 0


def test_no_instance_gives_no_gradient_that_is_not_a_number(build):
    config, model = build("training")
    batch = tiny_batch(config)
    batch[2][:], batch[3][:], batch[4][:], batch[5][:] = -1, 0, 0, 0
    with tf.GradientTape() as tape:
        total = tf.add_n(model(batch, training=True)[-5:])
    weights = [w.value for w in model.trainable_weights]
    for gradient in tape.gradient(total, weights, unconnected_gradients="zero"):
        assert np.isfinite(gradient).all()


def test_normalise_boxes_takes_the_size_of_the_image_beside_them():
    boxes = tf.constant([[[0, 0, 64, 128], [0, 0, 0, 0]]])
    found = NormaliseBoxes()([boxes, tf.zeros((1, 64, 128, 3))]).numpy()
    np.testing.assert_allclose(found, [[[0, 0, 1, 1], [0, 0, -1 / 63, -1 / 127]]])
