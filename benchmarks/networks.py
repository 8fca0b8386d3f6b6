"""The networks that are measured, with weights that let them find something, and pictures."""

import argparse
import importlib
import sys
from pathlib import Path

import numpy as np

from fashion import DEMO_START, PHOTO_WEIGHTS
from fashion.labels import MODANET_TABLE, PHOTO_TABLE
from mrcnn.config import Config

# Presets with trained weights; the others are backbones, with random ones.
TRAINED = {"photo": (PHOTO_WEIGHTS, PHOTO_TABLE), "demo": (DEMO_START, MODANET_TABLE)}
NETWORKS = (*TRAINED, "resnet50", "resnet101")
CONFIDENCE = 0.3
SPREAD = 2.0  # standard deviation of the logits of random weights


def add_arguments(parser: argparse.ArgumentParser, network: str, size: int) -> None:
    """Add the options that the benchmarks of the network share."""
    add = parser.add_argument
    add("--network", choices=NETWORKS, default=network, help="(%(default)s)")
    add("--size", type=int, default=size, help="side of a ResNet's input (%(default)s)")
    add("--repeat", type=int, default=5, help="rounds (%(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the figures there too")


def config_of(options: argparse.Namespace, inference: bool = True, **values) -> Config:
    """The Config of a preset, or of a ResNet with fourteen classes; inference in batches of one."""
    from fashion.stages.presets import make_config

    if options.network in TRAINED:
        classes = 1 + len(TRAINED[options.network][1])
        if inference:
            values.setdefault("DETECTION_MIN_CONFIDENCE", CONFIDENCE)
        return make_config(options.network, "benchmark", classes, inference=inference, **values)
    side = {"IMAGE_MIN_DIM": options.size, "IMAGE_MAX_DIM": options.size}
    own = {"NAME": "benchmark", "NUM_CLASSES": 14, "BACKBONE": options.network, **side}
    if inference:
        own |= {"IMAGES_PER_GPU": 1, "DETECTION_MIN_CONFIDENCE": 0}
    return type("BenchmarkConfig", (Config,), own | values)()


def pictures(options: argparse.Namespace, count: int) -> list[np.ndarray]:
    """Drawn people, or for random weights noise that is smooth enough to give features."""
    if options.network in TRAINED:
        from fashion.demo.dataset import draw_picture

        return [draw_picture(7, number).image for number in range(count)]
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (count, 24, 16, 3))
    fine = np.repeat(np.repeat(coarse, 25, axis=1), 25, axis=2)
    return list((0.8 * fine + rng.uniform(0, 50, fine.shape)).astype(np.uint8))


def detector(options: argparse.Namespace, picture: np.ndarray, **values):
    """A MaskRCNN that detects: trained, or random with some ten detections on the picture."""
    from mrcnn.model import MaskRCNN

    config = config_of(options, **values)
    model = MaskRCNN("inference", config, "unused")
    if options.network in TRAINED:
        model.load_weights(TRAINED[options.network][0], by_name=True)
    else:
        _spread_scores(model, picture)
    return model


def _spread_scores(model, picture: np.ndarray, instances: int = 10) -> None:
    """Spread the scores: random weights score all alike, so rounding would decide what is found."""
    import keras

    from mrcnn.inference.predictor import Predictor, mold_inputs

    network, inputs = model.keras_model, mold_inputs([picture], model.config)[:2]
    # Feature maps of deviation 1: random weights give hundreds, and boxes far from the picture.
    convolutions = [network.get_layer(f"fpn_p{level}") for level in range(2, 6)]
    maps = keras.Model(network.inputs, [layer.output for layer in convolutions])
    for layer, found in zip(convolutions, Predictor(maps, model.config).run(*inputs), strict=True):
        layer.kernel.assign(layer.kernel / found.std())
    predictor = Predictor(network, model.config)
    probabilities = predictor.run(*inputs)[1]
    logits = network.get_layer("mrcnn_class_logits").layer
    logits.kernel.assign(logits.kernel * (SPREAD / np.log(probabilities).std()))
    scores = predictor.run_detection(*inputs)[0][0, :, 5]
    found = np.sort(scores[scores > 0])[::-1]
    # Between two scores, so that rounding does not decide about the last one.
    least = float(found[: instances + 1][-2:].mean())
    network.get_layer("mrcnn_detection").settings["min_confidence"] = least


def give_weights(model, other) -> None:
    """Give `other` the model's weights and least confidence, such as for another precision."""
    other.keras_model.set_weights(model.keras_model.get_weights())
    layers = [one.keras_model.get_layer("mrcnn_detection") for one in (model, other)]
    layers[1].settings["min_confidence"] = layers[0].settings["min_confidence"]


def with_torchvision() -> bool:
    """Whether torchvision, not part of this project, can be imported; if not, stderr says so."""
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError) as error:
        print(f"torchvision is left out ({error})", file=sys.stderr)
        return False
    return True
