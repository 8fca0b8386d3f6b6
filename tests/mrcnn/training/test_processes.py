"""Which process is which, what a slice is, and how the rate follows the devices."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.config import Config
from mrcnn.data.loader import BatchLoader
from mrcnn.errors import ConfigError
from mrcnn.model import MaskRCNN
from mrcnn.network import losses
from mrcnn.training.learning_rate import (
    SCALED_WARMUP_STEPS,
    LearningRate,
    scaled_rate,
    warmup_steps,
)
from mrcnn.training.processes import (
    Cluster,
    SingleDevice,
    is_chief,
    read_cluster,
    require_drivers,
    train_set_facts,
)
from mrcnn.training.strategies import distribution_for
from tests.mrcnn.tiny import ShapesDataset, TinyConfig


def tf_config(kind, index, **jobs):
    return {"TF_CONFIG": json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}})}


# ---- TF_CONFIG ----


@pytest.mark.parametrize(
    ("environment", "cluster"),
    [
        ({}, None),
        ({"TF_CONFIG": ""}, None),
        (tf_config("worker", 0, worker=["a:1"]), None),  # alone
        (tf_config("worker", 0, worker=["a:1", "b:1"]), Cluster(2, 0, ("a:1", "b:1"))),
        (tf_config("worker", 1, worker=["a:1", "b:1"]), Cluster(2, 1, ("a:1", "b:1"))),
        (tf_config("chief", 0, chief=["a:1"], worker=["b:1"]), Cluster(2, 0, ("a:1", "b:1"))),
        (tf_config("worker", 0, chief=["a:1"], worker=["b:1"]), Cluster(2, 1, ("a:1", "b:1"))),
    ],
)
def test_the_cluster_of_tf_config(environment, cluster):
    assert read_cluster(environment) == cluster
    assert is_chief(environment) == (cluster is None or cluster.worker == 0)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"TF_CONFIG": "two hosts"}, "TF_CONFIG is 'two hosts': expected JSON such as"),
        ({"TF_CONFIG": "[1]"}, "expected JSON such as"),
        ({"TF_CONFIG": '{"cluster": {"worker": ["a:1", "b:1"]}}'}, "expected JSON such as"),
        (tf_config("worker", 0, worker="a:1"), "expected JSON such as"),
        (tf_config("worker", "first", worker=["a:1", "b:1"]), "expected JSON such as"),
        (tf_config("worker", 2, worker=["a:1", "b:1"]), "worker 2, but its cluster has 2 of these"),
        (tf_config("ps", 0, worker=["a:1"], ps=["b:1"]), "names the jobs ps, but only chief"),
        (tf_config("chief", 0, worker=["a:1", "b:1"]), "chief 0, but its cluster has 0"),
    ],
)
def test_a_tf_config_that_cannot_be_used(environment, message):
    with pytest.raises(ConfigError, match=message):
        read_cluster(environment)


# ---- one device ----


def test_one_device_asks_nobody():
    alone = distribution_for(TinyConfig(), {})
    assert type(alone) is SingleDevice
    assert (alone.replicas, alone.workers, alone.worker, alone.is_chief) == (1, 1, 0, True)
    value = {"a": object()}
    assert alone.share(value) is value
    assert [alone.agree(wish) for wish in (True, False)] == [True, False]


def test_fewer_devices_than_gpu_count():
    config = type("C", (TinyConfig,), {"GPU_COUNT": 3})()
    found = len(tf.config.list_physical_devices("GPU"))
    with pytest.raises(ConfigError, match=f"GPU_COUNT is 3, but TensorFlow finds {found} GPUs"):
        MaskRCNN("training", config, "logs")


@pytest.mark.skipif(sys.platform != "linux", reason="devices are files on Linux")
def test_fewer_gpus_are_noticed_without_tensorflow(tmp_path, monkeypatch):
    require_drivers(2, tmp_path)  # TensorFlow is imported, and has its own say
    monkeypatch.delitem(sys.modules, "tensorflow")
    for name in ("nvidia0", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    require_drivers(1, tmp_path)
    with pytest.raises(ConfigError) as refused:
        require_drivers(2, tmp_path)
    assert refused.value.sentence().startswith("GPU_COUNT is 2, but this machine has 1 GPU; set")
    (tmp_path / "kfd").touch()  # AMD's driver counts otherwise
    require_drivers(2, tmp_path)


def test_detecting_takes_one_device_whatever_gpu_count_is(tmp_path):
    config = type("C", (TinyConfig,), {"GPU_COUNT": 3, "IMAGES_PER_GPU": 1})()
    model = MaskRCNN("inference", config, tmp_path)
    assert type(model.distribution) is SingleDevice


def test_another_data_set_is_noticed():
    facts = [train_set_facts(ShapesDataset(n)) for n in (4, 5, 4)]
    assert facts[0] == facts[2] != facts[1]
    renamed = ShapesDataset(4)
    renamed.image_info[2]["id"] = "other"
    assert train_set_facts(renamed) != facts[0]


# ---- slices of a batch ----


def test_slices_make_up_the_batch():
    data, config = ShapesDataset(7), TinyConfig()
    options = {"batch_size": 6, "seed": 5, "workers": 0}
    whole = BatchLoader(data, config, **options)
    parts = [BatchLoader(data, config, **options, share=(i, 3)) for i in range(3)]
    for step in (0, 4):
        slices = [part.batch(step) for part in parts]
        assert [len(part[0]) for part in slices] == [2, 2, 2]
        for own, *each in zip(whole.batch(step), *slices, strict=True):
            np.testing.assert_array_equal(np.concatenate(each), own)
        ids = [part.image_ids(step) for part in parts]
        assert [image for part in ids for image in part] == whole.image_ids(step)
    assert {part.batch_size for part in parts} == {6}


def test_a_batch_that_cannot_be_divided():
    with pytest.raises(ConfigError, match="a batch of 4 images cannot be divided by 3"):
        BatchLoader(ShapesDataset(4), TinyConfig(), batch_size=4, share=(0, 3))


# ---- losses as sum and count ----


def test_the_mean_of_the_batch_from_the_parts_of_its_slices():
    rng = np.random.default_rng(0)
    ids = np.array([[1, 2, 0, 0], [2, 0, 0, 0]], np.int32)  # 2 positives, and 1
    target = rng.normal(size=(2, 4, 4)).astype(np.float32)
    predicted = rng.normal(size=(2, 4, 3, 4)).astype(np.float32)
    predicted[1] *= 5  # the second image is learnt less well
    loss = losses.mrcnn_bbox_loss_graph
    parts = [loss.parts(target[i : i + 1], ids[i : i + 1], predicted[i : i + 1]) for i in (0, 1)]
    assert [float(count) for _, count in parts] == [8, 4]
    sums = np.sum(parts, axis=0)
    assert float(loss.divide(*sums)) == pytest.approx(float(loss(target, ids, predicted)), rel=1e-6)
    means = [float(loss.divide(*part)) for part in parts]
    assert abs(np.mean(means) - float(loss(target, ids, predicted))) > 0.01


def test_what_a_loss_is_where_nothing_counts():
    zero = tf.constant(0.0)
    assert float(losses.rpn_class_loss_graph.divide(zero, zero)) == 0
    # Matterport's loss is NaN here, which ends a training.
    assert float(losses.class_loss_of_meta.divide(zero, zero)) == 0


# ---- the rate ----


def test_the_rate_is_the_users_unless_it_is_to_be_scaled():
    assert scaled_rate(Config(), 0.01, 8) == 0.01
    config = SimpleNamespace(SCALE_LEARNING_RATE=True, WARMUP_STEPS=0)
    assert scaled_rate(config, 0.01, 8) == pytest.approx(0.08)
    assert scaled_rate(config, 0.01, 1) == 0.01


@pytest.mark.parametrize(
    ("scale", "warmup", "replicas", "steps"),
    [
        (False, 0, 8, 0),
        (True, 0, 1, 0),
        (True, 0, 2, SCALED_WARMUP_STEPS),
        (True, 30, 2, 30),
        (False, 30, 2, 30),
    ],
)
def test_a_scaled_rate_is_warmed_up_to(scale, warmup, replicas, steps):
    names = {"SCALE_LEARNING_RATE": scale, "WARMUP_STEPS": warmup}
    config = type("C", (TinyConfig,), names)()
    assert warmup_steps(config, replicas) == steps
    rate = LearningRate.of_config(config, 0.08, 0, 200, replicas)
    assert rate(0) == (pytest.approx(0.08 / steps) if steps else None)
    assert rate(steps) is None  # constant from there on
