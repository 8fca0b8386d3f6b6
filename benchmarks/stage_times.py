"""The stages of a detection, each compiled and timed by itself: see `inference_stages.py`."""

import argparse
import resource
import time

import keras
import tensorflow as tf

from benchmarks.flops import graph_gflop, peak_gflops
from benchmarks.inference import keep_detections, make_config, photographs
from mrcnn.inference.folding import fold_inference
from mrcnn.inference.predictor import Predictor, mold_one
from mrcnn.network.build import build_model


def cut(model: keras.Model) -> dict[str, tuple[list, list]]:
    """Where each stage of a folded graph begins and ends."""
    detections, mrcnn_class, mrcnn_bbox, masks, rois, rpn_class, rpn_bbox = model.outputs
    _, meta, anchors = model.inputs
    # Layers are shared with the graph that was folded, which called them first.
    aligned = model.get_layer("roi_align_classifier")._inbound_nodes[-1].input_tensors
    features = [x for x in aligned if len(x.shape) == 4]
    return {
        "backbone, pyramid, RPN": ([model.inputs[0]], [*features, rpn_class, rpn_bbox]),
        "proposals": ([rpn_class, rpn_bbox, anchors], [rois]),
        "class head": ([rois, *features, meta], [mrcnn_class, mrcnn_bbox]),
        "detections": ([rois, mrcnn_class, mrcnn_bbox, meta], [detections]),
        "mask head": ([detections, *features, meta], [masks]),
    }


def compiled(model: keras.Model, inputs) -> tuple:
    """A program for inputs of these shapes, and the graph it runs."""
    function = tf.function(lambda *x: model(list(x), training=False), autograph=False)
    program = function.get_concrete_function(*inputs)
    return lambda: program(*inputs), program.graph


def measure(options: argparse.Namespace) -> dict:
    """Seconds of each round of the whole graphs and stages, GFLOP of each, and the peak."""
    config = make_config(options)
    photograph = photographs(options, 1)[0]
    started = time.perf_counter()
    model = build_model("inference", config)
    built = time.perf_counter() - started
    keep_detections(model, config, photograph, options.instances)
    predictor = Predictor(model, config)
    molded = mold_one(photograph, config)
    anchors = predictor.anchors(molded.image.shape)
    inputs = [tf.constant(x[None], tf.float32) for x in (molded.image, molded.meta, anchors)]

    folded = fold_inference(model)
    programs, gflop = {}, {}
    for name, whole in (("plain", model), ("detect", folded)):
        programs[name], graph = compiled(whole, inputs)
        gflop[name] = graph_gflop(graph, options.instances)
    known = dict(zip((id(x) for x in folded.inputs), inputs, strict=True))
    for name, (begin, end) in cut(folded).items():
        stage = keras.Model(begin, end)
        programs[name], graph = compiled(stage, [known[id(x)] for x in begin])
        gflop[name] = graph_gflop(graph, options.instances)
        known |= zip((id(x) for x in end), tf.nest.flatten(programs[name]()), strict=True)
    detections, masks = predictor.run_detection(molded.image[None], molded.meta[None])
    programs["molding"] = lambda: mold_one(photograph, config)
    programs["pasting"] = lambda: predictor.result(molded, detections[0], masks[0])
    return {
        "built": built,
        "seconds": time_in_turn(programs, options.repeat),
        "gflop": gflop,
        "peak_gflops": peak_gflops("bfloat16" if options.precision == "bfloat16" else "float32"),
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def time_in_turn(programs: dict, repeat: int) -> dict[str, list[float]]:
    """Seconds of each program in each round; a round before them is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(repeat + 1):
        for name, run in programs.items():
            started = time.perf_counter()
            run()
            if number:
                seconds[name].append(time.perf_counter() - started)
    return seconds
