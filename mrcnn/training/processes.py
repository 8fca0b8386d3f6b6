"""The processes of one training run, as listed in the environment variable TF_CONFIG.

Training asks `SingleDevice` whenever several processes have to agree: who writes, who gets which
slice of a batch, whether to stop. It answers for one process with one device; the classes for
several are in `mrcnn.training.strategies`. Nothing here imports TensorFlow.
"""

import contextlib
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mrcnn.data.dataset import Dataset
from mrcnn.errors import ConfigError, counted

VARIABLE = "TF_CONFIG"
EXPECTED = (
    'JSON such as {"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}, the same on each host except for the index'
)


@dataclass(frozen=True)
class Cluster:
    """The processes of one training run.

    Attributes:
        workers: how many there are.
        worker: the index of this process; 0 is the chief, which writes.
        addresses: `host:port` of each.
    """

    workers: int
    worker: int
    addresses: tuple[str, ...]


def read_cluster(environment: Mapping[str, str] = os.environ) -> Cluster | None:
    """The cluster described by TF_CONFIG; None if it is not set, or lists only one process.

    Raises:
        ConfigError: its value is not what TensorFlow expects.
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
        raise ConfigError(f"{VARIABLE} is {text[:200]!r}", expected=EXPECTED) from None
    if unknown := sorted(set(jobs) - {"chief", "worker"}):
        raise ConfigError(
            f"{VARIABLE} names the jobs {', '.join(map(str, unknown))}, but only chief and worker "
            f"take part in a training",
            advice="leave the others out",
        )
    own = {"chief": chief, "worker": others}.get(kind, ())
    if not 0 <= index < len(own):
        raise ConfigError(
            f"{VARIABLE} says that this process is {kind} {index}, but its cluster has "
            f"{len(own)} of these, counted from 0",
            advice="give each process its own index",
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
    """Whether this process is the one that writes: yes, unless TF_CONFIG says otherwise."""
    cluster = read_cluster(environment)
    return cluster is None or cluster.worker == 0


def require_drivers(count: int, devices: Path = Path("/dev")) -> None:
    """Reject at once what `strategies.require_devices` would reject after importing TensorFlow.

    On Linux, a usable GPU has a file in `devices`. Where a GPU may be accessed in other ways
    (another system, AMD's driver, Linux inside Windows), and where TensorFlow is imported anyway,
    nothing is rejected here.

    Raises:
        ConfigError: there are fewer GPUs than `count`.
    """
    others = any((devices / name).exists() for name in ("kfd", "dxg"))
    if count <= 1 or sys.platform != "linux" or others or "tensorflow" in sys.modules:
        return
    found = sum(re.fullmatch(r"nvidia\d+", path.name) is not None for path in devices.iterdir())
    if found < count:
        raise too_few_gpus(count, f"this machine has {counted(found, 'GPU')}", found)


def too_few_gpus(count: int, said: str, usable: int) -> ConfigError:
    """The error for fewer devices than GPU_COUNT.

    Args:
        count: GPU_COUNT.
        said: what there is instead, for the message.
        usable: the number of available devices.
    """
    return ConfigError(
        f"{{GPU_COUNT}} is {count}, but {said}",
        settings=("GPU_COUNT", "IMAGES_PER_GPU"),
        advice=f"set {{GPU_COUNT}} to {max(1, usable)} (without a GPU the processor is used) and "
        "choose {IMAGES_PER_GPU}",
    )


class SingleDevice:
    """Training in one process on one device.

    Attributes:
        replicas: number of devices, over all processes, that get a slice of each batch.
        workers: number of processes.
        worker: the index of this one.
    """

    replicas = workers = 1
    worker = 0

    @property
    def is_chief(self) -> bool:
        """Whether this process writes."""
        return self.worker == 0

    def scope(self) -> contextlib.AbstractContextManager:
        """The scope in which models and optimizers are created."""
        return contextlib.nullcontext()

    def agree(self, wish: bool) -> bool:
        """Whether `wish` is true in any process; every process has to call this."""
        return wish

    def wait_for_all(self) -> None:
        """Return when every process has called this, which they do before they end.

        The last sum over the processes may have arrived here while it is still on its way to
        another process. If this one ended now, the other would consider it dead.
        """

    def share(self, value):
        """The chief's value, which must be JSON serialisable; every process has to call this."""
        return value

    def share_variables(self, variables: Iterable) -> None:
        """Give every process the chief's values of these Keras variables."""

    def require_equal(self, name: str, own: Mapping[str, object]) -> None:
        """Raise ConfigError if a process's values differ from the chief's.

        Args:
            name: what the values belong to, for the message.
            own: JSON serialisable values.
        """


def train_set_facts(dataset: Dataset) -> dict[str, object]:
    """Numbers and names that are equal in two processes iff they read the same data set."""
    names = json.dumps([str(info.get("id")) for info in dataset.image_info])
    digest = hashlib.sha256(names.encode("utf-8", "backslashreplace")).hexdigest()[:12]
    return {
        "images": len(dataset.image_ids),
        "classes": [str(name) for name in dataset.class_names],
        "names of the images (digest)": digest,
    }
