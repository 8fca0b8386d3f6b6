import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.geometry import anchors
from tests.support import golden, info

UTILS = golden("utils")
ARGUMENTS = info(UTILS)["anchors"]


def test_generate_anchors_golden():
    scale, ratios = ARGUMENTS["gen_scale"], ARGUMENTS["ratios"]
    found = anchors.generate_anchors(
        scale,
        ratios,
        ARGUMENTS["gen_shape"],
        ARGUMENTS["gen_feature_stride"],
        ARGUMENTS["gen_anchor_stride"],
    )
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, UTILS["gen_anchors"])
    second = ARGUMENTS["gen2"]
    found = anchors.generate_anchors(
        scale, ratios, second["shape"], second["feature_stride"], second["anchor_stride"]
    )
    np.testing.assert_array_equal(found, UTILS["gen_anchors_stride2"])


def test_generate_pyramid_anchors_golden():
    pyramid = ARGUMENTS["pyramid"]
    found = anchors.generate_pyramid_anchors(
        pyramid["scales"],
        ARGUMENTS["ratios"],
        pyramid["feature_shapes"],
        pyramid["feature_strides"],
        pyramid["anchor_stride"],
    )
    np.testing.assert_array_equal(found, UTILS["pyramid_anchors"])


def test_the_models_anchors_golden():
    """All 16368 anchors of a 256 x 256 input, as the reference's model had them."""
    config = Config()
    shapes = anchors.compute_backbone_shapes(config, (256, 256, 3))
    found = anchors.generate_pyramid_anchors(
        config.RPN_ANCHOR_SCALES,
        config.RPN_ANCHOR_RATIOS,
        shapes,
        config.BACKBONE_STRIDES,
        config.RPN_ANCHOR_STRIDE,
    )
    np.testing.assert_array_equal(found, golden("build_rpn_targets")["anchors"])


@pytest.mark.parametrize(
    ("image_shape", "key"),
    [((1024, 1024, 3), "backbone_shapes_1024"), ((200, 333, 3), "backbone_shapes_odd_200x333")],
)
def test_compute_backbone_shapes_golden(image_shape, key):
    np.testing.assert_array_equal(
        anchors.compute_backbone_shapes(Config(), image_shape), UTILS[key]
    )


def test_compute_backbone_shapes_asks_the_users_function():
    class OwnBackbone(Config):
        BACKBONE = staticmethod(lambda image, **options: [image] * 5)
        COMPUTE_BACKBONE_SHAPE = staticmethod(lambda shape: np.array([[shape[0] // 2, 7]]))

    found = anchors.compute_backbone_shapes(OwnBackbone(), (128, 128, 3))
    np.testing.assert_array_equal(found, [[64, 7]])


def test_several_scales_at_a_cell():
    """Order within a cell: ratio, then scale; ratio is width / height at equal area."""
    found = anchors.generate_anchors([4, 8], [1, 4], (1, 1), 16, 1)
    np.testing.assert_array_equal(
        found, [[-2, -2, 2, 2], [-4, -4, 4, 4], [-1, -4, 1, 4], [-2, -8, 2, 8]]
    )


def test_no_cell_has_no_anchor():
    assert anchors.generate_anchors(32, [0.5, 1, 2], (0, 5), 4, 1).shape == (0, 4)
