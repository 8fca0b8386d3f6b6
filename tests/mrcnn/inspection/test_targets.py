"""What one image trains, as training itself draws it."""

import numpy as np
import pytest

from mrcnn.data.anchor_matching import build_rpn_targets
from mrcnn.errors import DatasetError
from mrcnn.geometry.boxes import compute_overlaps
from mrcnn.inspection.stages import Scene, Truth, scene_of_dataset, scene_of_image
from mrcnn.inspection.targets import head_targets, rpn_targets
from mrcnn.network.build import pyramid_anchors
from tests.mrcnn.models import tiny_config
from tests.mrcnn.tiny import ShapesDataset

NAMES = ["BG", "square", "disc", "nothing"]


@pytest.fixture
def scene():
    return scene_of_dataset(ShapesDataset(1), tiny_config(), 0)


def rpn_values(config, scene, wanted):
    """Outputs of a region proposal network that proposes the anchors that suit `wanted` best."""
    anchors = pyramid_anchors(config, scene.image.shape)
    score = compute_overlaps(anchors, wanted).max(axis=1, initial=0)
    score = score + np.random.default_rng(0).uniform(0, 1e-3, len(anchors))
    both = np.stack([1 - score, score], axis=1).astype(np.float32)
    return {"rpn_class": both, "rpn_bbox": np.zeros((len(anchors), 4), np.float32)}


def nearest(boxes, truth):
    return truth[compute_overlaps(boxes, truth.astype(float)).argmax(axis=1)]


def test_rpn_targets_are_those_of_training(scene):
    config = tiny_config()
    targets = rpn_targets(scene, config, seed=3)
    anchors = pyramid_anchors(config, scene.image.shape)
    match, _ = build_rpn_targets(
        scene.image.shape,
        anchors,
        scene.truth.class_ids,
        scene.instances,
        config,
        np.random.RandomState(3),
    )
    np.testing.assert_array_equal(targets.positive, anchors[match == 1])
    np.testing.assert_array_equal(targets.negative, anchors[match == -1])
    np.testing.assert_allclose(
        targets.refined, nearest(targets.positive, scene.instances), atol=1e-3
    )
    figures = targets.figures()
    assert figures["positive"] + figures["negative"] == config.RPN_TRAIN_ANCHORS_PER_IMAGE
    assert sum([len(targets.neutral), targets.unused, (match != 0).sum()]) == len(anchors)


def test_neutral_anchors_lie_between_the_thresholds(scene):
    neutral = rpn_targets(scene, tiny_config()).neutral
    best = compute_overlaps(neutral, scene.instances.astype(float)).max(axis=1)
    assert len(neutral) and (best >= 0.3).all() and (best < 0.7).all()


def test_positives_that_are_only_the_best_of_a_poor_choice(scene):
    assert rpn_targets(scene, tiny_config(RPN_ANCHOR_SCALES=(2, 2, 2, 2, 2))).forced > 0
    boxes = np.array([[48, 48, 80, 80]])  # an anchor
    truth = Truth(np.array([1]), boxes, scene.truth.masks[..., :1])
    exact = Scene("x", scene.image, scene.meta, scene.window, truth)
    assert rpn_targets(exact, tiny_config()).forced == 0


def test_an_image_without_instances_has_negatives_only(scene):
    nothing = Truth(np.zeros(0, int), np.zeros((0, 4), int), np.zeros((128, 128, 0), bool))
    empty = Scene("x", scene.image, scene.meta, scene.window, nothing)
    targets = rpn_targets(empty, tiny_config())
    assert len(targets.positive) == len(targets.refined) == len(targets.neutral) == 0
    assert len(targets.negative) == 32
    config = tiny_config()
    heads = head_targets(empty, config, rpn_values(config, empty, scene.instances))
    assert len(heads.rois) == 0 and heads.candidates == 0
    assert heads.sentence().startswith("No proposal overlaps an instance by half")


def test_head_targets_take_positives_to_their_instances(scene):
    config = tiny_config(RPN_ANCHOR_SCALES=(32, 32, 32, 32, 32), RPN_NMS_THRESHOLD=0.99)
    targets = head_targets(scene, config, rpn_values(config, scene, scene.instances))
    positive = targets.class_ids > 0
    assert positive.sum() == targets.most_positives == 3  # a third of TRAIN_ROIS_PER_IMAGE
    instances = nearest(targets.rois[positive], scene.instances)
    np.testing.assert_allclose(targets.refined, instances, atol=1e-2)
    ids = [scene.truth.class_ids[(scene.instances == box).all(axis=1)][0] for box in instances]
    np.testing.assert_array_equal(targets.class_ids[positive], ids)
    overlaps = compute_overlaps(targets.rois, scene.instances.astype(float)).max(axis=1)
    assert (overlaps[positive] >= 0.5).all() and (overlaps[~positive] < 0.5).all()
    assert targets.masks.shape == (3, 28, 28) and set(np.unique(targets.masks)) <= {0, 1}
    assert targets.masks.mean() > 0.4
    by_class = targets.by_class(NAMES)
    assert by_class["BG"] == (~positive).sum() and by_class["nothing"] == 0
    assert "as many as training takes" in targets.sentence()


def test_proposals_that_miss_everything_train_no_head(scene):
    config = tiny_config()
    elsewhere = np.array([[0, 0, 8, 8]])
    values = rpn_values(tiny_config(), scene, elsewhere)
    targets = head_targets(scene, config, values)
    assert targets.candidates == 0 and len(targets.rois) == 0
    assert "the heads learn nothing from this image" in targets.sentence()
    # The truth among the proposals helps.
    helped = head_targets(scene, tiny_config(ADD_GT_TO_PROPOSALS=True), values)
    assert helped.candidates == 2 and (helped.class_ids > 0).sum() == 2
    assert "where training would take 3 positives" in helped.sentence()


def test_whole_masks_do_as_well_as_mini_masks(scene):
    mini, whole = (tiny_config(USE_MINI_MASK=use) for use in (True, False))
    values = rpn_values(mini, scene, scene.instances)
    pair = [head_targets(scene, config, values, seed=1).masks for config in (mini, whole)]
    assert (pair[0] == pair[1]).mean() > 0.95


def test_what_is_shown_is_repeatable(scene):
    config = tiny_config()
    values = rpn_values(config, scene, scene.instances)
    first, second, other = (head_targets(scene, config, values, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.rois, second.rois)
    assert not np.array_equal(first.rois, other.rois)


def test_a_photograph_trains_nothing(scene):
    blind = scene_of_image(scene.image, tiny_config(), "a.jpg")
    for make in (rpn_targets, lambda *args: head_targets(*args, {})):
        with pytest.raises(DatasetError, match=r"the instances of a\.jpg are not known"):
            make(blind, tiny_config())
