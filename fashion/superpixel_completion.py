"""Completion: superpixels without a label join the garment beside them whose colour agrees."""

import numpy as np

from fashion.superpixel_graph import Borders


def complete(
    labels: np.ndarray,
    colours: np.ndarray,
    borders: Borders,
    free: np.ndarray,
    *,
    distance: float,
    border: float,
    contact: float,
) -> np.ndarray:
    """Let labels grow over free superpixels until nothing changes: int64 [nodes].

    In each round a free superpixel without a label looks at its neighbours that have one. It joins
    the label with the longest common border among the neighbours of agreeing colour, when that is
    at least `border` of its border with labelled neighbours and `contact` of its whole border.

    Args:
        labels: int [nodes], 0 where there is none.
        colours: float [nodes, 3], mean Lab colours.
        borders: who touches whom.
        free: bool [nodes], what may be labelled.
        distance: Lab distance up to which two colours agree.
        border, contact: shares, 0 to 1.
    """
    labels = np.array(labels, dtype=np.int64)
    count, kinds = len(labels), int(labels.max(initial=0)) + 1
    agrees = np.linalg.norm(colours[borders.of] - colours[borders.to], axis=1) <= distance
    whole = np.bincount(borders.of, borders.length, count)
    while True:
        open_ = free & (labels == 0)
        seen = open_[borders.of] & (labels[borders.to] > 0)
        if not seen.any():
            return labels
        of, length = borders.of[seen], borders.length[seen]
        kind = labels[borders.to[seen]]
        labelled = np.bincount(of, length, count)
        votes = np.bincount(of * kinds + kind, length * agrees[seen], count * kinds)
        votes = votes.reshape(count, kinds)
        winner, most = votes.argmax(axis=1), votes.max(axis=1)
        joins = open_ & (most > 0) & (most >= border * labelled) & (most >= contact * whole)
        if not joins.any():
            return labels
        labels[joins] = winner[joins]
