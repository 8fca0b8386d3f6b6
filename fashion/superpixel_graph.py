"""Superpixels as nodes of a graph: means over their pixels, and the borders that they share."""

from typing import NamedTuple

import numpy as np


class Borders(NamedTuple):
    """Pairs of neighbours, each once in either direction.

    Attributes:
        of, to: int64 [E], the superpixels.
        length: int64 [E], pixel edges that they share.
    """

    of: np.ndarray
    to: np.ndarray
    length: np.ndarray


def node_means(
    superpixels: np.ndarray, values: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Means over the pixels of each superpixel: float64 [..., nodes].

    Args:
        superpixels: int32 [H, W], 0 to nodes - 1.
        values: [..., H, W].
        weights: float or bool [H, W], of the pixels; None for equal weights.

    A superpixel without weight gets 0.
    """
    flat = superpixels.ravel()
    count = int(flat.max(initial=-1)) + 1
    layers = values.reshape(-1, flat.size)
    if weights is None:
        total = np.bincount(flat, minlength=count)
    else:
        weights = np.asarray(weights, np.float64).ravel()
        total = np.bincount(flat, weights, count)
    # Layer by layer: together they would take several times the memory.
    weighted = (layer if weights is None else layer * weights for layer in layers)
    sums = [np.bincount(flat, layer, count) for layer in weighted]
    means = np.reshape(sums, (len(sums), count)) / np.where(total > 0, total, 1)
    return means.reshape(*values.shape[:-2], count)


def node_centres(superpixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pixels nearest to the centroids: rows and columns, int64 [nodes] each."""
    rows, columns = np.indices(superpixels.shape, dtype=np.float32)
    centres = np.rint(node_means(superpixels, np.stack([rows, columns]))).astype(np.int64)
    return centres[0], centres[1]


def find_borders(superpixels: np.ndarray) -> Borders:
    """Who touches whom, along pixel edges (not corners)."""
    count = int(superpixels.max(initial=-1)) + 1
    keys = []
    for one, other in (
        (superpixels[:, :-1], superpixels[:, 1:]),
        (superpixels[:-1], superpixels[1:]),
    ):
        apart = one != other
        one, other = one[apart].astype(np.int64), other[apart].astype(np.int64)
        keys += [one * count + other, other * count + one]
    pairs, length = np.unique(np.concatenate(keys), return_counts=True)
    of, to = np.divmod(pairs, max(count, 1))
    return Borders(of, to, length)
