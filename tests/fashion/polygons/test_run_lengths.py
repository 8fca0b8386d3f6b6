"""COCO's run-lengths, compressed and plain, checked before pycocotools sees them."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from fashion.polygons.filling import run_lengths_of
from fashion.polygons.run_lengths import decode_counts, fills, plain_runs
from mrcnn.evaluation.coco_ap import encode_mask


def runs_of(mask):
    """The runs of a mask, column by column, off first."""
    flat = np.concatenate([[0], mask.ravel(order="F").astype(int), [2]])
    edges = np.flatnonzero(np.diff(flat))
    runs = np.diff(np.concatenate([[0], edges]))
    return runs.tolist() if not flat[1] else [0, *runs[1:].tolist()]


@pytest.mark.parametrize("shape", [(1, 1), (4, 7), (300, 200)])
@pytest.mark.parametrize("share", [0, 0.02, 0.5, 1])
def test_compressed_and_plain_runs_are_the_same(shape, share):
    mask = np.random.default_rng(1).random(shape) < share
    encoded = encode_mask(mask)
    assert decode_counts(encoded["counts"]).tolist() == runs_of(mask)
    runs = plain_runs(runs_of(mask))
    assert fills(runs, mask.size) and not fills(runs, mask.size + 1)
    plain = {"size": list(shape), "counts": runs_of(mask)}
    assert run_lengths_of(encoded, *shape) == encoded
    assert np.array_equal(coco_mask.decode(run_lengths_of(plain, *shape)), mask)
