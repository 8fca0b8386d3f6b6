#!/usr/bin/env python3
"""Time exported models in other engines against MaskRCNN.detect, in one run, and compare results.

    python3 benchmarks/exports.py
    python3 benchmarks/exports.py --calibrate DIR --truth DATASET/val
    OMP_NUM_THREADS=2 python3 benchmarks/exports.py --network resnet101 --engines onnx int8

All engines get the same pictures in turn, with as many threads as OMP_NUM_THREADS says (all cores
without it), and all return boxes, scores and full-size masks:

    detect         MaskRCNN.detect
    bfloat16       the same with PRECISION = "bfloat16", where the machine does so natively
    saved_model    TensorFlow, the exported graph, masks pasted in it
    onnx           model.onnx with mini masks in ONNX Runtime, pasted by mrcnn
    int8           the same in 8-bit integers, calibrated on the photographs of --calibrate, or
                   without it on the timed pictures
    openvino       model.onnx in OpenVINO
    tflite         LiteRT, all mask rows; pictures prepared and masks pasted by mrcnn
    torchvision    its Mask R-CNN with ResNet-50, in the same square, where it is installed; its RPN
                   is half as wide as ours

The table gives seconds per picture, how many times faster than detect that is, and how close to it:
the number of detections, the greatest difference of boxes in pixels and of scores, the lowest IoU
of masks (bfloat16, int8 and torchvision find others, and are not compared). With --truth, a folder
of photographs with COCO annotations, it also gives each engine's AP50 of boxes and masks, for
scores of .05 or more. An engine that is not installed or fails is named and left out. --network is
as in detection.py; ResNet-101 at 1024 takes about ten minutes on two idle cores, mostly for
conversion.
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

from benchmarks.networks import (
    TRAINED,
    add_arguments,
    config_of,
    detector,
    give_weights,
    pictures,
    with_torchvision,
)

THREADS = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
# The format that an engine reads, and the packages without which it is left out.
EXPORTS = {
    "saved_model": ("saved_model", ()),
    "onnx": ("onnx", ("tf2onnx", "onnxruntime")),
    "int8": ("onnx", ("tf2onnx", "onnxruntime")),
    "openvino": ("onnx", ("tf2onnx", "openvino")),
    "tflite": ("tflite", ()),
}
ENGINES = ("bfloat16", *EXPORTS, "torchvision")
INT8 = "int8.onnx"
LEAST_SCORE = 0.05  # for average precision


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser, "photo", 1024)
    add = parser.add_argument
    add("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    add("--calibrate", type=Path, metavar="DIR", help="photographs for int8")
    add("--truth", type=Path, metavar="DIR", help="photographs with COCO annotations")
    return parser.parse_args(arguments)


def start(engine: str, folder: Path, model, options: argparse.Namespace) -> Callable:
    """A function of a picture that returns a result as `MaskRCNN.detect` does."""
    if engine == "torchvision":
        return torchvision_engine(options)
    if engine == "bfloat16":
        from mrcnn.model import MaskRCNN

        other = MaskRCNN("inference", config_of(options, PRECISION="bfloat16"), folder)
        give_weights(model, other)
        return lambda picture: other.detect([picture])[0]
    make, file = READERS[engine]
    return make(folder / file, model.config)


def pasted(found: dict, picture: np.ndarray, config) -> dict:
    """An engine's boxes, class_ids, scores and mini_masks as a result of `MaskRCNN.detect`."""
    from mrcnn.inference.predictor import paste_all

    boxes, masks = found["boxes"], found["mini_masks"]
    full = paste_all(masks, boxes, picture.shape, config.MASK_RESAMPLE)
    return {"rois": boxes, "masks": full, **{k: found[k] for k in ("class_ids", "scores")}}


def saved_model_engine(path: Path, config) -> Callable:
    """The SavedModel's signature for images."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    signature = loaded.signatures["serving_default"]

    def run(picture):
        found = {k: v.numpy() for k, v in signature(image=tf.constant(picture)).items()}
        return found | {"rois": found["boxes"], "masks": np.moveaxis(found["masks"], 0, -1)}

    run.keeps = loaded  # a signature does not keep its variables
    return run


def onnx_engine(path: Path, config) -> Callable:
    """ONNX Runtime on the processor."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = THREADS
    settings.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    keys = [output.name for output in session.get_outputs()]

    def run(picture):
        found = session.run(None, {"image": picture})
        return pasted(dict(zip(keys, found, strict=True)), picture, config)

    return run


def openvino_engine(path: Path, config) -> Callable:
    """OpenVINO on the processor."""
    import openvino

    settings = {"INFERENCE_NUM_THREADS": THREADS, "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(str(path), "CPU", settings).create_infer_request()
    keys = ("boxes", "class_ids", "scores", "mini_masks")

    def run(picture):
        found = request.infer({"image": picture})
        return pasted({k: np.array(found[k]) for k in keys}, picture, config)

    return run


def tflite_engine(path: Path, config) -> Callable:
    """LiteRT as it is in TensorFlow."""
    import tensorflow as tf

    from mrcnn.inference.predictor import boxes_in_window, mold_one

    runner = tf.lite.Interpreter(str(path), num_threads=THREADS).get_signature_runner()

    def run(picture):
        one = mold_one(picture, config)
        molded = (one.image + config.MEAN_PIXEL).astype(np.float32)
        found = runner(image=molded, window=np.array(one.window, np.int32))
        found = {k: v[: found["count"]] for k, v in found.items() if k != "count"}
        last = np.tile(np.array(molded.shape[:2]) - 1, 2)
        boxes = (found["boxes"] - [0, 0, 1, 1]) / last
        boxes = boxes_in_window(boxes, one.window, one.image.shape, picture.shape)
        return pasted(found | {"boxes": boxes}, picture, config)

    return run


def torchvision_engine(options: argparse.Namespace) -> Callable:
    """Random weights, ten detections; only its time means something."""
    import torch
    import torchvision

    torch.set_num_threads(THREADS)
    model = torchvision.models.detection.maskrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=14,
        min_size=options.size,
        max_size=options.size,
        box_score_thresh=0.0,
        box_detections_per_img=10,
    ).eval()
    model.transform.size_divisible = options.size  # pad to the same square

    def run(picture):
        image = torch.from_numpy(picture).permute(2, 0, 1) / 255
        with torch.inference_mode():
            found = model([image])[0]
        masks = np.moveaxis(found["masks"][:, 0].numpy() >= 0.5, 0, -1)
        names = {"boxes": "rois", "labels": "class_ids", "scores": "scores"}
        return {names[k]: found[k].numpy() for k in names} | {"masks": masks}

    return run


READERS = {
    "saved_model": (saved_model_engine, "saved_model"),
    "onnx": (onnx_engine, "model.onnx"),
    "int8": (onnx_engine, INT8),
    "openvino": (openvino_engine, "model.onnx"),
    "tflite": (tflite_engine, "model.tflite"),
}


def difference(found: dict, expected: dict) -> dict:
    """How much a result differs from another of the same instances in the same order."""
    figures = {"found": len(found["rois"]), "boxes": 0.0, "scores": 0.0, "iou": 1.0}
    if len(found["rois"]) == len(expected["rois"]) > 0:
        figures["boxes"] = float(np.abs(found["rois"] - expected["rois"]).max())
        figures["scores"] = float(np.abs(found["scores"] - expected["scores"]).max())
        both = (found["masks"] & expected["masks"]).sum(axis=(0, 1))
        either = (found["masks"] | expected["masks"]).sum(axis=(0, 1))
        figures["iou"] = float((both / np.maximum(either, 1)).min())
    return figures


def export(model, folder: Path, engines: list[str], images: list, options) -> dict:
    """Write what the engines read; return seconds and megabytes of each."""
    from mrcnn.export.exporting import export_model
    from mrcnn.export.quantisation import quantise_onnx

    names = [f"class {number}" for number in range(model.config.NUM_CLASSES)]
    written = {}
    for kind in dict.fromkeys(EXPORTS[name][0] for name in engines if name in EXPORTS):
        started = time.perf_counter()
        (path,) = export_model(model, folder, [kind], names, masks="mini")
        written[kind] = [time.perf_counter() - started, megabytes(path)]
    if "int8" in engines:
        import onnx

        if options.calibrate:
            from fashion.stages.export_command import calibration_pictures, pictures_of

            images = pictures_of(calibration_pictures(options.calibrate))
        started = time.perf_counter()
        onnx.save(quantise_onnx(onnx.load(folder / "model.onnx"), images), folder / INT8)
        written["int8"] = [time.perf_counter() - started, megabytes(folder / INT8)]
    return written


def megabytes(path: Path) -> float:
    """The size of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def average_precision(run: Callable, truth: Path) -> dict[str, float]:
    """AP50 of boxes and masks on photographs of a data set, persons left out."""
    from fashion.dataset import FashionDataset
    from fashion.labels import PHOTO_TABLE
    from fashion.photo.figures import detect_for_figures, garment_figures

    dataset = FashionDataset().load(truth.parent, truth.name, PHOTO_TABLE)
    dataset.prepare()
    found = garment_figures(*detect_for_figures(dataset, run))
    return {"box": found["bbox"]["AP50"], "mask": found["segm"]["AP50"]}


def available(engines: list[str], options: argparse.Namespace) -> list[str]:
    """The engines that can run here."""
    missing = {name for name, (_, packages) in EXPORTS.items()
               if not all(map(importlib.util.find_spec, packages))}  # fmt: skip
    # Before TensorFlow: importing some builds of torch after it ends the process.
    if options.network in TRAINED or not with_torchvision():
        missing.add("torchvision")
    from mrcnn.network.build import resolve_precision

    if resolve_precision("auto") != "bfloat16":
        missing.add("bfloat16")
    return [name for name in engines if name not in missing]


def measure(options: argparse.Namespace) -> dict:
    """Seconds per picture of each engine, a list of `--repeat` values, and how near it is."""
    engines = available(options.engines, options)
    images = pictures(options, options.repeat)
    values = {"DETECTION_MIN_CONFIDENCE": LEAST_SCORE} if options.truth else {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = detector(options, images[0], PRECISION="float32", **values)
        runs = {"detect": lambda picture: model.detect([picture])[0]}
        figures = {"threads": THREADS, "exports": export(model, folder, engines, images, options)}
        for engine in engines:
            try:
                runs[engine] = start(engine, folder, model, options)
                runs[engine](images[0])
            except Exception as error:  # whatever an engine raises is its result
                runs.pop(engine, None)
                print(f"{engine}: failed ({str(error).strip().splitlines()[0][:200]})", flush=True)
        figures["seconds"] = {name: [] for name in runs}
        differences: dict = {name: [] for name in runs}
        runs["detect"](images[0])
        for image in images:
            expected = None
            for name, run in runs.items():  # detect is the first
                started = time.perf_counter()
                found = run(image)
                figures["seconds"][name].append(time.perf_counter() - started)
                expected = expected or found
                differences[name].append(difference(found, expected))
        if options.truth:
            figures["ap50"] = {n: average_precision(run, options.truth) for n, run in runs.items()}
    worst = {"found": sum, "boxes": max, "scores": max, "iou": min}
    figures["differences"] = {
        name: {key: of(row[key] for row in rows) for key, of in worst.items()}
        for name, rows in differences.items()
        if name not in ("bfloat16", "int8", "torchvision")
    }
    return figures


def table(figures: dict) -> str:
    """A line for each engine."""
    base = statistics.median(figures["seconds"]["detect"])
    times = f"{'':13}{'s/picture':>10}{'least':>8}{'most':>8}{'times faster':>14}"
    near = f"{'found':>7}{'boxes':>7}{'scores':>9}{'IoU':>7}{'box AP50':>10}{'mask':>7}"
    lines = [times + near]
    for name, values in figures["seconds"].items():
        middle = statistics.median(values)
        line = f"{name:13}{middle:10.3f}{min(values):8.3f}{max(values):8.3f}{base / middle:14.2f}"
        if far := figures["differences"].get(name):
            line += f"{far['found']:7}{far['boxes']:7.0f}{far['scores']:9.1e}{far['iou']:7.3f}"
        else:
            line += " " * 30
        ap50 = figures.get("ap50", {}).get(name)
        lines.append(line + (f"{ap50['box']:10.3f}{ap50['mask']:7.3f}" if ap50 else ""))
    for kind, (seconds, size) in figures["exports"].items():
        lines.append(f"{kind}: written in {seconds:.1f} s, {size:.1f} MB")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    options = parse_arguments(arguments)
    figures = measure(options)
    print(f"{options.network}, float32 but where told, {THREADS} threads:\n{table(figures)}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
