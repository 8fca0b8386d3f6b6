#!/usr/bin/env python3
"""Time the stages of a detection, and how many of the machine's operations they use.

    python3 benchmarks/detection.py
    python3 benchmarks/detection.py --network resnet101 --precision float32 bfloat16 --json d.json

`photo` and `demo` are the presets with the weights that come with them, on drawn pictures; ResNets
have random weights, with which a picture has about ten detections. The graph that `MaskRCNN.detect`
runs is cut into its stages, each of which takes the output of the one before; `detect` is the
whole. `plain` is the whole graph with separate batch norms and all mask rows, as such networks are
usually run. Everything is timed in turn, in both number formats if both are given: a table then
shows how many times faster each stage is in bfloat16, and how many values it converts between the
formats, weights and features separately. GFLOP are those of convolutions and matrix products; the
peak is measured in the same run.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.networks import add_arguments, config_of, detector, give_weights, pictures


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser, "photo", 1024)
    formats = ["float32", "bfloat16"]
    parser.add_argument("--precision", nargs="+", choices=formats, default=formats[:1])
    return parser.parse_args(arguments)


def cut(model) -> dict[str, tuple[list, list]]:
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


def programs_of(model, picture) -> tuple[dict, dict]:
    """A MaskRCNN's programs without arguments, by stage, and their graphs."""
    import keras
    import tensorflow as tf

    from mrcnn.inference.folding import fold_inference
    from mrcnn.inference.predictor import mold_one

    config, predictor = model.config, model._predictor
    molded = mold_one(picture, config)
    anchors = predictor.anchors(molded.image.shape)
    inputs = [tf.constant(x[None], tf.float32) for x in (molded.image, molded.meta, anchors)]
    folded, programs, graphs = fold_inference(model.keras_model), {}, {}

    def add(name, network, inputs):
        run = tf.function(lambda *x: network(list(x), training=False), autograph=False)
        program = run.get_concrete_function(*inputs)
        programs[name], graphs[name] = lambda: program(*inputs), program.graph

    add("plain", model.keras_model, inputs)
    add("detect", folded, inputs)
    known = dict(zip((id(x) for x in folded.inputs), inputs, strict=True))
    for name, (begin, end) in cut(folded).items():
        add(name, keras.Model(begin, end), [known[id(x)] for x in begin])
        known |= zip((id(x) for x in end), tf.nest.flatten(programs[name]()), strict=True)
    detections, masks = predictor.run_detection(molded.image[None], molded.meta[None])
    programs["molding"] = lambda: mold_one(picture, config)
    programs["pasting"] = lambda: predictor.result(molded, detections[0], masks[0])
    return programs, graphs


def measure(options: argparse.Namespace) -> dict:
    """By number format: seconds of each round of each stage, its GFLOP, what it converts."""
    from benchmarks.flops import converted, graph_gflop, peak_gflops

    (picture,) = pictures(options, 1)
    model = detector(options, picture, PRECISION="float32")
    figures: dict = {key: {} for key in ("gflop", "converted", "peak_gflops")}
    figures["network"], programs = options.network, {}
    for precision in options.precision:
        other = model
        if precision != "float32":
            from mrcnn.model import MaskRCNN

            other = MaskRCNN("inference", config_of(options, PRECISION=precision), "unused")
            give_weights(model, other)
        found = int((other.detect([picture])[0]["scores"] > 0).sum())
        programs[precision], graphs = programs_of(other, picture)
        rows = max(found, 1)
        figures["gflop"][precision] = {k: graph_gflop(g, rows) for k, g in graphs.items()}
        figures["converted"][precision] = {k: converted(g, rows) for k, g in graphs.items()}
        figures["peak_gflops"][precision] = peak_gflops(precision)
    figures["seconds"] = time_in_turn(programs, options.repeat)
    figures["peak_megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


def time_in_turn(programs: dict[str, dict], repeat: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of each program in each round; a round before them is not counted."""
    seconds: dict = {key: {name: [] for name in ways} for key, ways in programs.items()}
    names = next(iter(programs.values()))
    for number in range(repeat + 1):
        for name in names:
            for key, ways in programs.items():
                started = time.perf_counter()
                ways[name]()
                if number:
                    seconds[key][name].append(time.perf_counter() - started)
    return seconds


def table(figures: dict) -> str:
    """The stages in each format for a terminal."""
    lines = []
    base = figures["seconds"].get("float32", {})
    for precision, ways in figures["seconds"].items():
        peak, compared = figures["peak_gflops"][precision], precision != "float32" and base
        lines.append(f"{precision}; peak {peak:.0f} GFLOP/s")
        heads = f"{'':24}{'ms':>9}{'least':>9}{'most':>9}{'GFLOP':>9}{'GFLOP/s':>9}{'of peak':>9}"
        if compared:
            heads += f"{'times faster':>14}{'million values converted: weights, features':>46}"
        lines.append(heads)
        for name, values in ways.items():
            middle, gflop = statistics.median(values), figures["gflop"][precision].get(name, 0)
            line = f"{name:24}{1e3 * middle:9.1f}{1e3 * min(values):9.1f}{1e3 * max(values):9.1f}"
            rates = f"{gflop:9.1f}{gflop / middle:9.0f}{gflop / middle / peak:9.0%}"
            line += rates if gflop else " " * 27
            if compared:
                weights, features = figures["converted"][precision].get(name, (0, 0))
                line += f"{statistics.median(base[name]) / middle:14.2f}"
                line += f"{weights / 1e6:37.2f}{features / 1e6:9.2f}"
            lines.append(line)
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    options = parse_arguments(arguments)
    figures = measure(options)
    side = f" at {options.size}" if options.network.startswith("resnet") else ""
    print(f"{options.network}{side}; the process needed {figures['peak_megabytes']:.0f} MB")
    print(table(figures))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
