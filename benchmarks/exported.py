#!/usr/bin/env python3
"""Time exported models in other engines against MaskRCNN.detect, in one run.

    python3 benchmarks/exported.py --backbone compact --size 256
    OMP_NUM_THREADS=2 python3 benchmarks/exported.py --repeat 5 --json exported.json

`compact` is the preset `demo` with the trained weights of fashion/demo, on drawn pictures; ResNets
have random weights, or those of --weights, whose scores are spread and whose confidence is set so
that the first image has --instances detections. All engines get the same pictures in turn, with as
many threads as OMP_NUM_THREADS says (all cores without it), and all end with boxes, scores and
full-size masks:

    detect        MaskRCNN.detect
    saved_model   TensorFlow, the exported graph, masks pasted in it
    onnxruntime   model.onnx with mini masks, pasted by mrcnn.inference.predictor.paste_all
    openvino      the same file
    tflite        LiteRT, all mask rows; pictures prepared and masks pasted by mrcnn

The table tells seconds an image, how many times faster than detect that is, and how near to it over
all pictures: the number of detections, the greatest distance of boxes in pixels and of scores, the
least IoU of masks. An engine that is not installed is left out, and said so: pip install -e
".[export]". An engine that fails is a line, too. ResNet-101 at 1024 takes some ten minutes on two
idle cores, most of them for the conversions.
"""

import argparse
import importlib.util
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from mrcnn.config import Config
from mrcnn.export.exporting import FILES, export_model

THREADS = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
# The format that an engine reads, and the packages without which it is left out.
PACKAGES = {
    "saved_model": ("saved_model", ()),
    "onnxruntime": ("onnx", ("tf2onnx", "onnxruntime")),
    "openvino": ("onnx", ("tf2onnx", "openvino")),
    "tflite": ("tflite", ()),
}
COMPACT_WEIGHTS = Path("fashion") / "data" / "demo_start.h5"
SPREAD = 2.0  # standard deviation of the logits of random weights


def parse_arguments() -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--backbone", choices=["compact", "resnet50", "resnet101"], default="resnet101")
    add("--size", type=int, default=1024, help="side of the molded image (%(default)s)")
    add("--photograph", type=int, nargs=2, default=(600, 400), metavar=("HEIGHT", "WIDTH"))
    add("--weights", type=Path, metavar="FILE.h5", help="of a ResNet with 14 classes (random)")
    add("--instances", type=int, default=10, help="detections an image (%(default)s)")
    add("--engines", nargs="+", choices=list(PACKAGES), default=list(PACKAGES))
    add("--repeat", type=int, default=5, help="(%(default)s)")
    add("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args()


def config_of(options: argparse.Namespace) -> Config:
    """One image at a time, fourteen classes."""
    values = {
        "NAME": "benchmark",
        "NUM_CLASSES": 14,
        "IMAGES_PER_GPU": 1,
        "IMAGE_MIN_DIM": options.size,
        "IMAGE_MAX_DIM": options.size,
        "DETECTION_MIN_CONFIDENCE": 0,
    }
    if options.backbone != "compact":
        return type("BenchmarkConfig", (Config,), values | {"BACKBONE": options.backbone})()
    from fashion.stages.presets import make_config

    del values["NAME"], values["NUM_CLASSES"], values["DETECTION_MIN_CONFIDENCE"]
    return make_config("demo", "benchmark", 14, inference=True, **values)


def photographs(options: argparse.Namespace) -> list[np.ndarray]:
    """Drawn pictures, or noise that is smooth enough to give features of every size."""
    if options.backbone == "compact":
        from fashion.demo.dataset import draw_picture

        return [draw_picture(7, number).image for number in range(options.repeat)]
    rng = np.random.default_rng(0)
    height, width = options.photograph
    coarse = rng.uniform(0, 255, (options.repeat, -(-height // 25), -(-width // 25), 3))
    fine = np.repeat(np.repeat(coarse, 25, axis=1), 25, axis=2)[:, :height, :width]
    return list((0.8 * fine + rng.uniform(0, 50, fine.shape)).astype(np.uint8))


def set_weights(model, image: np.ndarray, options: argparse.Namespace) -> None:
    """Trained weights for `compact`; else spread ones that give about --instances detections."""
    if options.backbone == "compact":
        path = Path(__file__).resolve().parent.parent / COMPACT_WEIGHTS
        model.load_weights(path, by_name=True)
        return
    from mrcnn.inference.predictor import Predictor, mold_inputs

    if options.weights:
        model.load_weights(options.weights, by_name=True)
    inputs = mold_inputs([image], model.config)[:2]
    _level_features(model, inputs)
    probabilities = Predictor(model.keras_model, model.config).run(*inputs)[1]
    # As they are, random weights score everything alike, and rounding would decide what is found.
    logits = model.keras_model.get_layer("mrcnn_class_logits").layer
    logits.kernel.assign(logits.kernel * (SPREAD / np.log(probabilities).std()))
    found = Predictor(model.keras_model, model.config).run_detection(*inputs)[0][0, :, 5]
    found = np.sort(found[found > 0])[::-1]
    layer = model.keras_model.get_layer("mrcnn_detection")
    # Between two scores, so that rounding does not decide about the last one.
    least = float(found[: options.instances + 1][-2:].mean())
    layer.settings["min_confidence"] = least


def _level_features(model, inputs):
    """Feature maps of deviation 1: random weights give hundreds, and boxes far from the picture."""
    import keras

    from mrcnn.inference.predictor import Predictor

    network = model.keras_model
    convolutions = [network.get_layer(f"fpn_p{level}") for level in range(2, 6)]
    maps = keras.Model(network.inputs, [layer.output for layer in convolutions])
    found = Predictor(maps, model.config).run(*inputs)
    for layer, features in zip(convolutions, found, strict=True):
        layer.kernel.assign(layer.kernel / features.std())


def saved_model_engine(folder: Path, model) -> Callable:
    """The SavedModel's signature for images."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder / FILES["saved_model"]))
    signature = loaded.signatures["serving_default"]

    def run(image):
        found = {key: value.numpy() for key, value in signature(image=tf.constant(image)).items()}
        return found["boxes"], found["scores"], np.moveaxis(found["masks"], 0, -1)

    run.keeps = loaded  # a signature does not keep its variables
    return run


def onnxruntime_engine(folder: Path, model) -> Callable:
    """ONNX Runtime on the processor."""
    import onnxruntime

    from mrcnn.inference.predictor import paste_all

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = THREADS
    settings.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        str(folder / FILES["onnx"]), settings, providers=["CPUExecutionProvider"]
    )

    def run(image):
        boxes, scores, masks = session.run(["boxes", "scores", "mini_masks"], {"image": image})
        return boxes, scores, paste_all(masks, boxes, image.shape, model.config.MASK_RESAMPLE)

    return run


def openvino_engine(folder: Path, model) -> Callable:
    """OpenVINO on the processor."""
    import openvino

    from mrcnn.inference.predictor import paste_all

    settings = {"INFERENCE_NUM_THREADS": THREADS, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(folder / FILES["onnx"]), "CPU", settings)
    request = compiled.create_infer_request()

    def run(image):
        found = request.infer({"image": image})
        boxes, scores, masks = (np.array(found[k]) for k in ("boxes", "scores", "mini_masks"))
        return boxes, scores, paste_all(masks, boxes, image.shape, model.config.MASK_RESAMPLE)

    return run


def tflite_engine(folder: Path, model) -> Callable:
    """LiteRT as it is in TensorFlow."""
    import tensorflow as tf

    from mrcnn.inference.predictor import boxes_in_window, mold_one, paste_all

    interpreter = tf.lite.Interpreter(str(folder / FILES["tflite"]), num_threads=THREADS)
    runner = interpreter.get_signature_runner()
    config = model.config

    def run(image):
        one = mold_one(image, config)
        molded = (one.image + config.MEAN_PIXEL).astype(np.float32)
        found = runner(image=molded, window=np.array(one.window, np.int32))
        count = int(found["count"])
        side = config.IMAGE_MAX_DIM - 1
        boxes = (found["boxes"][:count] - [0, 0, 1, 1]) / side
        boxes = boxes_in_window(boxes, one.window, one.image.shape, image.shape)
        masks, scores = found["mini_masks"][:count], found["scores"][:count]
        return boxes, scores, paste_all(masks, boxes, image.shape, config.MASK_RESAMPLE)

    return run


ENGINES = {
    "saved_model": saved_model_engine,
    "onnxruntime": onnxruntime_engine,
    "openvino": openvino_engine,
    "tflite": tflite_engine,
}


def available(engines: list[str]) -> dict[str, str]:
    """Of the engines that were asked for those that are installed, and their files' formats."""
    found = {}
    for engine in engines:
        kind, packages = PACKAGES[engine]
        missing = [package for package in packages if not importlib.util.find_spec(package)]
        if missing:
            print(f'{engine}: left out, {missing[0]} is not installed (pip install -e ".[export]")')
        else:
            found[engine] = kind
    return found


def difference(found: tuple, expected: tuple) -> dict:
    """How far detections `(boxes, scores, masks [height, width, N])` are from others."""
    counts = len(found[0]), len(expected[0])
    if counts[0] != counts[1]:
        return {"found": counts[0], "boxes": float("nan"), "scores": float("nan"), "iou": 0.0}
    union = np.count_nonzero(found[2].astype(bool) | expected[2].astype(bool), axis=(0, 1))
    common = np.count_nonzero(found[2].astype(bool) & expected[2].astype(bool), axis=(0, 1))
    return {
        "found": counts[0],
        "boxes": float(np.abs(found[0] - expected[0]).max(initial=0)),
        "scores": float(np.abs(found[1] - expected[1]).max(initial=0)),
        "iou": float((common[union > 0] / union[union > 0]).min(initial=1)),
    }


def farthest(differences: list[dict]) -> dict:
    """All detections, and the worst of each measure."""
    return {
        "found": sum(one["found"] for one in differences),
        "boxes": float(np.max([one["boxes"] for one in differences])),
        "scores": float(np.max([one["scores"] for one in differences])),
        "iou": min(one["iou"] for one in differences),
    }


def export_all(model, folder: Path, kinds: list[str]) -> tuple[dict, dict]:
    """Write each format once: seconds and megabytes."""
    names = [f"class {number}" for number in range(model.config.NUM_CLASSES)]
    seconds, sizes = {}, {}
    for kind in kinds:
        started = time.perf_counter()
        (path,) = export_model(model, folder, [kind], names, masks="mini")
        seconds[kind] = time.perf_counter() - started
        files = path.rglob("*") if path.is_dir() else [path]
        sizes[kind] = sum(file.stat().st_size for file in files if file.is_file()) / 1e6
        print(f"{kind}: written in {seconds[kind]:.1f} s, {sizes[kind]:.1f} MB", flush=True)
    return seconds, sizes


def start_engines(engines: list[str], folder: Path, model, image: np.ndarray) -> tuple[dict, dict]:
    """Engines that have run once, `detect` first, and what the others failed with."""

    def detect(image):
        found = model.detect([image])[0]
        return found["rois"], found["scores"], found["masks"]

    detect(image)
    runs, failed = {"detect": detect}, {}
    for engine in engines:
        try:
            run = ENGINES[engine](folder, model)
            run(image)
        except Exception as error:  # whatever an engine raises is its result
            failed[engine] = str(error).strip().splitlines()[0][:200]
            print(f"{engine}: failed ({failed[engine]})", flush=True)
        else:
            runs[engine] = run
    return runs, failed


def measure(options: argparse.Namespace) -> dict:
    """Seconds an image of each engine, a list of `--repeat` values, and how near it is."""
    from mrcnn.model import MaskRCNN

    images = photographs(options)
    engines = available(options.engines)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = MaskRCNN("inference", config_of(options), folder)
        set_weights(model, images[0], options)
        export_seconds, megabytes = export_all(model, folder, list(dict.fromkeys(engines.values())))
        runs, failed = start_engines(list(engines), folder, model, images[0])
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        differences: dict[str, list[dict]] = {name: [] for name in runs}
        for image in images:
            for name, run in runs.items():
                started = time.perf_counter()
                found = run(image)
                seconds[name].append(time.perf_counter() - started)
                if name == "detect":
                    expected = found
                differences[name].append(difference(found, expected))
    return {
        "backbone": options.backbone,
        "size": options.size,
        "threads": THREADS,
        "export_seconds": export_seconds,
        "megabytes": megabytes,
        "failed": failed,
        "differences": {name: farthest(values) for name, values in differences.items()},
        "seconds": seconds,
    }


def rows(figures: dict) -> dict:
    """Median, least and most seconds of each engine, and how many times faster than detect."""
    base = statistics.median(figures["seconds"]["detect"])
    table = {}
    for name, values in figures["seconds"].items():
        middle = statistics.median(values)
        table[name] = {
            "median": middle,
            "least": min(values),
            "most": max(values),
            "ratio": base / middle,
        }
    return table


def main() -> int:
    """Measure and print."""
    options = parse_arguments()
    figures = measure(options)
    figures["table"] = rows(figures)
    print(f"{options.backbone}, {options.size} x {options.size}, float32, {THREADS} threads:")
    heading = f"{'':13}{'s/image':>9}{'least':>8}{'most':>8}{'times faster':>14}"
    print(f"{heading}{'found':>7}{'boxes':>7}{'scores':>9}{'IoU':>7}")
    for name, row in figures["table"].items():
        times = f"{row['median']:9.3f}{row['least']:8.3f}{row['most']:8.3f}{row['ratio']:14.2f}"
        near = figures["differences"][name]
        nearness = f"{near['found']:7}{near['boxes']:7.0f}{near['scores']:9.1e}{near['iou']:7.3f}"
        print(f"{name:13}{times}{nearness}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
