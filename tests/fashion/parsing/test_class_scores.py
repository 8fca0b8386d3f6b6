"""What speaks for each class, from hard masks, soft masks and finished labels."""

import numpy as np

from fashion.parsing.detections import detections_of, scores_of_instances, scores_of_labels
from tests.fashion.garment_pictures import BELT, PANTS, TOP, detections

SHAPE = (20, 30)


def instances(*items, soft=None):
    result = detections(*items, shape=SHAPE)
    if soft is not None:
        result["soft_masks"] = soft
    return detections_of(result, SHAPE)


def test_the_greater_score_wins_where_masks_overlap():
    scores = scores_of_instances(
        instances((TOP, 0.6, (0, 0, 20, 20)), (PANTS, 0.9, (0, 10, 20, 30)))
    )
    assert scores.class_ids.tolist() == [PANTS, TOP]
    assert scores.labels[0, [0, 12, 25]].tolist() == [TOP, PANTS, PANTS]
    np.testing.assert_allclose(scores.support[:, 0, 12], [0.9, 0.6], rtol=1e-6)
    # How sure the class is does not move the border of the garment.
    assert scores.foreground[0].tolist() == [1.0] * 30


def test_a_belt_lies_over_the_trousers_that_are_surer():
    items = ((BELT, 0.5, (0, 0, 3, 30)), (PANTS, 0.9, (0, 0, 20, 30)))
    plain = scores_of_instances(instances(*items))
    assert not (plain.labels == BELT).any()
    on_top = scores_of_instances(instances(*items), frozenset([BELT]))
    assert (on_top.labels == BELT).sum() == 90


def test_soft_masks_give_their_probabilities_within_the_box():
    soft = np.array([[[0.2, 0.8], [0.2, 0.8]]], np.float32)
    found = instances((TOP, 0.5, (4, 10, 16, 22)), soft=soft)
    scores = scores_of_instances(found)
    assert scores.foreground[:4].max() == 0
    middle = scores.foreground[10, 10:22]
    assert (np.diff(middle[2:9]) > 0).all()
    assert 0.15 < middle[2] < 0.25 and 0.7 < middle[8] < 0.81
    np.testing.assert_allclose(scores.support[0], scores.foreground * 0.5)
    assert (scores.labels == TOP).sum() == 144  # the detector's own mask decides


def test_labels_are_certain_of_themselves():
    labels = np.zeros(SHAPE, np.uint8)
    labels[:5], labels[10:] = TOP, BELT
    scores = scores_of_labels(labels)
    assert scores.class_ids.tolist() == [BELT, TOP]
    assert scores.support.sum() == scores.foreground.sum() == (labels > 0).sum()
    assert scores.support[1, 0, 0] == 1 and scores.support[0, 0, 0] == 0


def test_nothing():
    for scores in (scores_of_instances(instances()), scores_of_labels(np.zeros(SHAPE, np.uint8))):
        assert scores.support.shape == (0, *SHAPE)
        assert not scores.labels.any() and not scores.foreground.any()
