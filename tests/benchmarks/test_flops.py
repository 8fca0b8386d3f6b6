"""Operations and conversions are counted in the graph that runs, forward and backward."""

import pytest
import tensorflow as tf

from benchmarks.flops import converted, graph_gflop, peak_gflops

CONVOLUTION = 2 * (8 * 6) * 5 * (3 * 3 * 4) / 1e9  # cells x filters x window, times two


def graph_of(function, *shapes):
    specs = [tf.TensorSpec(shape) for shape in shapes]
    return tf.function(function).get_concrete_function(*specs).graph


def convolve(image, kernel):
    return tf.nn.conv2d(image, kernel, 1, "SAME")


def test_a_convolution_is_counted():
    graph = graph_of(convolve, (1, 8, 6, 4), (3, 3, 4, 5))
    assert graph_gflop(graph) == pytest.approx(CONVOLUTION)


def test_its_two_gradients_cost_as_much_each():
    def backward(image, kernel):
        with tf.GradientTape() as tape:
            tape.watch([image, kernel])
            loss = tf.reduce_sum(convolve(image, kernel) ** 2)
        return tape.gradient(loss, [image, kernel])

    graph = graph_of(backward, (1, 8, 6, 4), (3, 3, 4, 5))
    assert graph_gflop(graph) == pytest.approx(3 * CONVOLUTION)


@pytest.mark.parametrize("transpose_a", [False, True])
def test_a_matrix_product_is_counted(transpose_a):
    shape = (30, 20) if transpose_a else (20, 30)
    graph = graph_of(lambda a, b: tf.matmul(a, b, transpose_a=transpose_a), shape, (30, 10))
    assert graph_gflop(graph) == pytest.approx(2 * 20 * 30 * 10 / 1e9)


def test_unknown_rows_count_as_many_as_told():
    graph = graph_of(lambda a, b: a @ b, (None, 30), (30, 10))
    assert graph_gflop(graph, rows=7) == pytest.approx(2 * 7 * 30 * 10 / 1e9)


def test_a_graph_without_arithmetic_has_none():
    assert graph_gflop(graph_of(lambda x: x + 1, (3,))) == 0


def test_conversions_of_weights_and_features_are_told_apart():
    weights = tf.Variable(tf.ones((30, 10)))

    def product(features):
        return tf.cast(features, tf.bfloat16) @ tf.cast(weights, tf.bfloat16)

    assert converted(graph_of(product, (20, 30))) == (300, 600)
    assert converted(graph_of(product, (None, 30)), rows=7) == (300, 210)
    assert converted(graph_of(lambda x: tf.cast(x, tf.int32), (3,))) == (0, 0)


def test_the_peak_is_a_rate():
    assert peak_gflops(repeat=1) > 0
