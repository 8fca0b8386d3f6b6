"""What a TensorFlow graph computes and converts, and the most that the machine does per second."""

import time

import numpy as np
import tensorflow as tf

MATRIX = 2048
CONVOLUTION = (1, 128, 128, 256)  # a 3 x 3 convolution of 256 to 256 channels, as the RPN's


def graph_gflop(graph: tf.Graph, rows: int = 1) -> float:
    """Billions of operations of the convolutions and matrix products of a graph.

    A multiplication and an addition count as two. Each dimension that is only known at run time
    counts as `rows`; what is computed inside loops and conditions is left out.
    """
    return sum(_operations(op, rows) for op in graph.get_operations()) / 1e9


def converted(graph: tf.Graph, rows: int = 1) -> tuple[float, float]:
    """How many values the graph converts between number formats: of weights, and of features.

    Each conversion counts, although TensorFlow may do equal ones only once.
    """
    weights = features = 0.0
    for op in graph.get_operations():
        if op.type == "Cast" and op.inputs[0].dtype.is_floating and op.outputs[0].dtype.is_floating:
            values = float(np.prod(_shape(op.outputs[0], rows)))
            if op.inputs[0].op.type in ("ReadVariableOp", "Const"):
                weights += values
            else:
                features += values
    return weights, features


def _operations(op, rows: int) -> float:
    if op.type == "MatMul":
        inner = _shape(op.inputs[0], rows)[0 if op.get_attr("transpose_a") else 1]
        return 2 * np.prod(_shape(op.outputs[0], rows)) * inner
    if op.type in ("Conv2D", "_FusedConv2D"):
        cells, kernel = op.outputs[0], _shape(op.inputs[1], rows)
    elif op.type == "Conv2DBackpropInput":
        cells, kernel = op.inputs[2], _shape(op.inputs[1], rows)
    elif op.type == "Conv2DBackpropFilter":
        cells, kernel = op.inputs[2], _shape(op.outputs[0], rows)
    else:
        return 0.0
    # Every cell of the convolution's output sums kernel height x width x input channels.
    return 2 * np.prod(_shape(cells, rows)) * np.prod(kernel[:3])


def _shape(tensor, rows: int) -> list[float]:
    if tensor.shape.rank is None:
        return [0.0]
    return [float(rows if size is None else size) for size in tensor.shape]


def peak_gflops(dtype: str = "float32", repeat: int = 7) -> float:
    """The most GFLOP/s that a matrix product or a convolution reached in `repeat` trials each."""
    square = tf.cast(tf.random.normal((MATRIX, MATRIX)), dtype)
    image = tf.cast(tf.random.normal(CONVOLUTION), dtype)
    kernel = tf.cast(tf.random.normal((3, 3, CONVOLUTION[3], CONVOLUTION[3])), dtype)
    product = tf.function(lambda: tf.reduce_sum(square @ square))
    convolve = tf.function(lambda: tf.reduce_sum(tf.nn.conv2d(image, kernel, 1, "SAME")))
    work = {product: 2 * MATRIX**3, convolve: 2 * np.prod(CONVOLUTION) * 9 * CONVOLUTION[3]}
    return max(max(_rates(run, count, repeat)) for run, count in work.items())


def _rates(run, count: float, repeat: int) -> list[float]:
    run()  # compiles
    rates = []
    for _ in range(repeat):
        started = time.perf_counter()
        run().numpy()
        rates.append(count / (time.perf_counter() - started) / 1e9)
    return rates
