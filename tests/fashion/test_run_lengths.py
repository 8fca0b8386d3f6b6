"""Segmentations of files of others, checked before pycocotools sees them."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from fashion.run_lengths import RunLengthError, decode_counts, run_lengths_of
from mrcnn.coco_evaluation import encode_mask


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
    assert run_lengths_of(encoded, *shape) == encoded
    plain = {"size": list(shape), "counts": runs_of(mask)}
    assert np.array_equal(coco_mask.decode(run_lengths_of(plain, *shape)), mask)


def test_polygons_become_run_lengths():
    made = run_lengths_of([[2, 2, 6, 2, 6, 5, 2, 5], [0, 0, 1, 0, 1, 1, 0, 1]], 8, 10)
    expected = np.zeros((8, 10), bool)
    expected[2:5, 2:6] = expected[0, 0] = True
    assert np.array_equal(coco_mask.decode(made), expected)


GOOD = encode_mask(np.eye(5, 8, dtype=bool))


@pytest.mark.parametrize(
    ("segmentation", "expected"),
    [
        ({**GOOD, "size": [8, 5]}, "size"),
        ({**GOOD, "size": None}, "size"),
        ({**GOOD, "counts": GOOD["counts"][:-1]}, "add up"),
        ({**GOOD, "counts": GOOD["counts"] + "3"}, "add up"),
        ({**GOOD, "counts": GOOD["counts"] + "P"}, "no compressed text"),  # ends within a run
        ({**GOOD, "counts": "P" * 30 + "0"}, "no compressed text"),
        ({**GOOD, "counts": "ü!"}, "no compressed text"),
        ({**GOOD, "counts": ""}, "add up"),
        ({**GOOD, "counts": [40, -5, 5]}, "add up"),
        ({**GOOD, "counts": [39]}, "add up"),
        ({**GOOD, "counts": [1.5, 38.5]}, "whole numbers"),
        ({**GOOD, "counts": [10**30]}, "whole numbers"),
        ({**GOOD, "counts": None}, "whole numbers"),
        ({"size": [5, 8]}, "neither polygons"),
        ("text", "neither polygons"),
        ([[1, 2, 3, 4]], "three points"),
        ([[1, 2, 3, 4, 5, float("nan")]], "three points"),
        ([1, 2, 3, 4, 5, 6], "three points"),
        ([[1, 2, 3, 4, "a", 6]], "three points"),
    ],
)
def test_what_cannot_be_used(segmentation, expected):
    with pytest.raises(RunLengthError, match=expected):
        run_lengths_of(segmentation, 5, 8)
