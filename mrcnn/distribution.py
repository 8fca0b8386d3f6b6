"""Where a training runs: on one device, on several of this machine, or on several machines.

`distribution_for` decides it from Config.GPU_COUNT and the environment variable TF_CONFIG. What it
gives is what the training asks whenever several have to agree: who writes, which slice of a batch
is whose, whether to stop. The answers for one device are here, and import nothing of TensorFlow's;
the others are in `distribution_strategy.py`.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mrcnn.errors import ConfigError

VARIABLE = "TF_CONFIG"
EXPECTED = (
    'a text such as {"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}, the same on each host but for the index'
)


@dataclass(frozen=True)
class Cluster:
    """The processes of one training.

    Attributes:
        workers: how many there are.
        worker: which of them this process is; 0 is the chief, who writes.
        addresses: `host:port` of each.
    """

    workers: int
    worker: int
    addresses: tuple[str, ...]


def read_cluster(environment: Mapping[str, str] = os.environ) -> Cluster | None:
    """The cluster that TF_CONFIG names; None where it is not set, or names one process only.

    Raises:
        ConfigError: it is not what TensorFlow expects there.
    """
    text = environment.get(VARIABLE, "").strip()
    if not text:
        return None
    try:
        setting = json.loads(text)
        jobs, task = setting["cluster"], setting["task"]
        chief, others = _addresses(jobs, "chief"), _addresses(jobs, "worker")
        kind, index = task["type"], int(task["index"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ConfigError(f"{VARIABLE} is {text[:200]!r}, but must be {EXPECTED}.") from None
    if unknown := sorted(set(jobs) - {"chief", "worker"}):
        raise ConfigError(
            f"{VARIABLE} names the jobs {', '.join(map(str, unknown))}, but only chief and worker "
            f"take part in a training: leave the others out."
        )
    own = {"chief": chief, "worker": others}.get(kind, ())
    if not 0 <= index < len(own):
        raise ConfigError(
            f"{VARIABLE} says that this process is {kind} {index}, but its cluster has "
            f"{len(own)} of these, counted from 0: give each process an index of its own."
        )
    worker = index if kind == "chief" else len(chief) + index
    addresses = (*chief, *others)
    return Cluster(len(addresses), worker, addresses) if len(addresses) > 1 else None


def _addresses(jobs: dict, name: str) -> tuple[str, ...]:
    found = jobs.get(name, [])
    if not isinstance(found, list) or not all(isinstance(address, str) for address in found):
        raise TypeError(name)
    return tuple(found)


def is_chief(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is the one that writes: always, but where TF_CONFIG names another."""
    cluster = read_cluster(environment)
    return cluster is None or cluster.worker == 0


class SingleDevice:
    """A training by itself.

    Attributes:
        replicas: devices, of all processes, that take a slice of each batch.
        workers: processes.
        worker: the number of this one.
    """

    replicas = workers = 1
    worker = 0

    @property
    def is_chief(self) -> bool:
        """Whether this process writes."""
        return self.worker == 0

    def scope(self) -> contextlib.AbstractContextManager:
        """Where models and optimizers are made."""
        return contextlib.nullcontext()

    def training_step(self, model, optimizer, **options):
        """The compiled step; see `training_step.TrainingStep`."""
        from mrcnn.training_step import TrainingStep

        return TrainingStep(model, optimizer, **options)

    def agree(self, wish: bool) -> bool:
        """Whether any process wishes it; every one has to ask."""
        return wish

    def wait_for_all(self) -> None:
        """Return when every process has come here: before they end, all for the same reason.

        What has been added up over the processes may still be under way to another one when it has
        arrived here; a process that ended then would look to the other as if it had died.
        """

    def share(self, value):
        """The chief's value, of what JSON can say; every process has to ask."""
        return value

    def share_variables(self, variables: Iterable) -> None:
        """Give every process the chief's values of these Keras variables."""

    def require_equal(self, name: str, own: Mapping[str, object]) -> None:
        """Raise ConfigError where a process has other values than the chief.

        Args:
            name: what has them, for the message.
            own: values that JSON can say.
        """


def distribution_for(config, environment: Mapping[str, str] = os.environ) -> SingleDevice:
    """Where a training with this configuration runs.

    Raises:
        ConfigError: TF_CONFIG cannot be read, there are fewer devices than GPU_COUNT, or
            TensorFlow has computed already, so that it cannot join other processes any more.
    """
    cluster = read_cluster(environment)
    if cluster is None and config.GPU_COUNT <= 1:
        return SingleDevice()
    from mrcnn import distribution_strategy

    if cluster is None:
        return distribution_strategy.SeveralDevices.of_this_machine(config.GPU_COUNT)
    return distribution_strategy.several_workers(cluster, config.GPU_COUNT)


def train_set_facts(dataset) -> dict[str, object]:
    """What two processes that read the same data set agree on."""
    import hashlib

    names = json.dumps([str(info.get("id")) for info in dataset.image_info])
    digest = hashlib.sha256(names.encode("utf-8", "backslashreplace")).hexdigest()[:12]
    return {
        "images": len(dataset.image_ids),
        "classes": [str(name) for name in dataset.class_names],
        "names of the images (digest)": digest,
    }
