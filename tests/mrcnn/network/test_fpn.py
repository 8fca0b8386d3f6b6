"""The feature pyramid. Its numbers are in test_forward.py."""

import keras
import numpy as np
import pytest

from mrcnn.network.backbone import build_fpn


def pyramid(channels=4, height=8, width=16, depths=(3, 5, 7, 9)):
    """A model of four backbone maps -> P2 to P6."""
    maps = [keras.Input((height // 2**i, width // 2**i, depth)) for i, depth in enumerate(depths)]
    return keras.Model(maps, build_fpn(maps, channels))


def ones(model, batch=1):
    return [np.ones((batch, *i.shape[1:]), np.float32) for i in model.inputs]


def set_identity(model, value):
    """1x1 convolutions that sum their inputs and 3x3 ones that pass `value` times the centre."""
    for layer in model.layers:
        if not layer.weights:
            continue
        kernel, bias = (np.zeros(w.shape) for w in layer.weights)
        if kernel.shape[0] == 1:
            kernel[:] = 1
        else:
            kernel[1, 1] = np.eye(kernel.shape[2]) * value
        layer.set_weights([kernel, bias])


def test_shapes():
    model = pyramid()
    assert [o.shape[1:] for o in model.outputs] == [
        (8, 16, 4),
        (4, 8, 4),
        (2, 4, 4),
        (1, 2, 4),
        (1, 1, 4),
    ]


def test_coarse_maps_are_added_to_finer_ones_before_the_last_convolution():
    model = pyramid()
    set_identity(model, 10)
    P2, P3, P4, P5, P6 = (o.numpy().ravel() for o in model(ones(model)))
    # Sums of depths 9, 9 + 7, 9 + 7 + 5, ...; the factor 10 is not passed down.
    for output, total in ((P5, 9), (P4, 16), (P3, 21), (P2, 24), (P6, 9)):
        assert set(output) == {10.0 * total}


def test_upsampling_repeats_the_nearest_cell():
    model = pyramid(channels=1, height=8, width=8, depths=(1, 1, 1, 1))
    set_identity(model, 1)
    inputs = [np.zeros_like(x) for x in ones(model)]
    inputs[2][0, :, :, 0] = [[1, 2], [3, 4]]
    P3 = model(inputs)[1].numpy()[0, :, :, 0]
    assert P3.tolist() == np.kron([[1, 2], [3, 4]], np.ones((2, 2))).tolist()


def test_p6_is_every_second_cell_of_p5():
    model = pyramid(height=32, width=48)
    rng = np.random.default_rng(0)
    *_, P5, P6 = model([rng.normal(size=x.shape).astype(np.float32) for x in ones(model)])
    np.testing.assert_array_equal(P6, P5[:, ::2, ::2])


def test_layer_names():
    names = {layer.name for layer in pyramid().layers if layer.weights}
    assert names == {f"fpn_c{n}p{n}" for n in (2, 3, 4, 5)} | {f"fpn_p{n}" for n in (2, 3, 4, 5)}


def test_no_image():
    model = pyramid()
    # Not computed: oneDNN's convolution gives an empty batch a wrong shape on some processors.
    shapes = model.compute_output_shape([(0, *x.shape[1:]) for x in model.inputs])
    assert [shape[0] for shape in shapes] == [0] * 5


@pytest.mark.parametrize("channels", [1, 64])
def test_channels(channels):
    assert {o.shape[-1] for o in pyramid(channels).outputs} == {channels}
