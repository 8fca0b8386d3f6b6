"""Anchors: the reference boxes that the region proposal network scores and refines.

Boxes are [y1, x1, y2, x2] in pixels of the molded image; they may reach outside it.
"""

from collections.abc import Sequence

import numpy as np


def generate_anchors(
    scales: float | Sequence[float],
    ratios: Sequence[float],
    shape: Sequence[int],
    feature_stride: int,
    anchor_stride: int,
) -> np.ndarray:
    """Anchors of one feature map.

    Args:
        scales: side of a square anchor in pixels; one or several per cell.
        ratios: width / height of the anchors of each cell; the area stays scale squared.
        shape: (height, width) of the feature map in cells.
        feature_stride: pixels per cell; the centre of cell i is i * feature_stride.
        anchor_stride: step between cells that have anchors (1: every cell).

    Returns:
        float64 [cells * ratios * scales, 4] in pixels, ordered by y, x, ratio, scale.
    """
    ratio_grid, scale_grid = np.meshgrid(
        np.asarray(ratios, np.float64), np.atleast_1d(scales), indexing="ij"
    )
    roots = np.sqrt(ratio_grid.ravel())
    sizes = np.stack([scale_grid.ravel() / roots, scale_grid.ravel() * roots], axis=1)
    y = np.arange(0, shape[0], anchor_stride) * feature_stride
    x = np.arange(0, shape[1], anchor_stride) * feature_stride
    cells = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 1, 2)
    anchors = np.concatenate([cells - 0.5 * sizes, cells + 0.5 * sizes], axis=-1)
    return anchors.reshape(-1, 4)


def generate_pyramid_anchors(
    scales: Sequence[float],
    ratios: Sequence[float],
    feature_shapes: np.ndarray | Sequence[Sequence[int]],
    feature_strides: Sequence[int],
    anchor_stride: int,
) -> np.ndarray:
    """Anchors of all pyramid levels, finest level first.

    Args:
        scales: one anchor size in pixels per level.
        ratios: width / height, the same on all levels.
        feature_shapes: (height, width) in cells of each level.
        feature_strides: pixels per cell of each level.
        anchor_stride: step between cells that have anchors.

    Returns:
        float64 [anchors, 4] in pixels, ordered by level, y, x, ratio.
    """
    return np.concatenate(
        [
            generate_anchors(scale, ratios, shape, stride, anchor_stride)
            for scale, shape, stride in zip(scales, feature_shapes, feature_strides, strict=False)
        ],
        axis=0,
    )


def compute_backbone_shapes(config, image_shape: Sequence[int]) -> np.ndarray:
    """Sizes of the feature maps P2 to P6.

    Args:
        config: its BACKBONE_STRIDES divide the size, rounding up; if its BACKBONE is a function,
            its COMPUTE_BACKBONE_SHAPE is called instead.
        image_shape: (height, width, ...) of the molded image in pixels.

    Returns:
        [levels, 2], (height, width) in cells.
    """
    if callable(config.BACKBONE):
        return config.COMPUTE_BACKBONE_SHAPE(image_shape)
    strides = np.asarray(config.BACKBONE_STRIDES)[:, None]
    return -(-np.asarray(image_shape[:2], dtype=np.int64) // strides)
