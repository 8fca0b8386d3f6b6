"""Where training runs: on one device, on several of this machine, or in several processes.

`distribution_for` decides by Config.GPU_COUNT and TF_CONFIG; several devices or processes use
TensorFlow's strategies.
"""

import atexit
import contextlib
import functools
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from mrcnn.errors import ConfigError, TrainingError, counted, printable
from mrcnn.training.distributed_step import DistributedStep
from mrcnn.training.processes import (
    Cluster,
    SingleDevice,
    read_cluster,
    too_few_gpus,
)
from mrcnn.training.step import TrainingStep

# What collective operations raise if a process or its machine is gone.
PEER_ERRORS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.DeadlineExceededError,
)
# What they may raise then, but also if a device fails: the message says which.
PERHAPS_PEER_ERRORS = (
    tf.errors.CancelledError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnknownError,
)
PEER_WORDS = ("collective", "coordination", "grpc", "remote target", "heartbeat")
# The text around the reason in TensorFlow's messages.
NO_REASON = (
    "Graph execution error",
    "Detected at node",
    "Additional GRPC error information",
    ":UNKNOWN:Error received from peer",
    "The error could be from a previous operation",
    "The tasks have crashed",
)
# Seconds.
PATIENCE = 120
SENDING = 2


class HasGpuCount(Protocol):
    """The part of a Config that says how many devices to use."""

    GPU_COUNT: int


def distribution_for(
    config: HasGpuCount, environment: Mapping[str, str] = os.environ
) -> SingleDevice:
    """Where training with this configuration runs.

    Raises:
        ConfigError: TF_CONFIG cannot be read, there are fewer devices than GPU_COUNT, or
            TensorFlow has already computed something and so cannot join other processes.
    """
    cluster = read_cluster(environment)
    if cluster is not None:
        return several_workers(cluster, config.GPU_COUNT)
    if config.GPU_COUNT > 1:
        return SeveralDevices.of_this_machine(config.GPU_COUNT)
    return SingleDevice()


def training_step(
    distribution: SingleDevice,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    **options: Any,
) -> TrainingStep:
    """The compiled step for these devices; with several, its losses are those of the whole batch.

    Args:
        distribution: the one in whose scope model and optimizer were created.
        model: from `mrcnn.network.build.build_model("training", ...)`.
        optimizer: a Keras optimizer.
        options: those of `TrainingStep`.
    """
    if isinstance(distribution, SeveralDevices):
        return DistributedStep(model, optimizer, distribution=distribution, **options)
    return TrainingStep(model, optimizer, **options)


class SeveralDevices(SingleDevice):
    """Devices of this process, each with a copy of the weights: MirroredStrategy.

    Args:
        strategy: from `tf.distribute`.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        self.strategy = strategy
        self.replicas = strategy.num_replicas_in_sync

    @classmethod
    def of_this_machine(cls, count: int) -> "SeveralDevices":
        """The first `count` GPUs; without a GPU, logical CPUs that a test has set up.

        Raises:
            ConfigError: there are fewer.
        """
        devices = require_devices(count)
        reduction = None
        if not devices[0].startswith("GPU"):
            reduction = tf.distribute.ReductionToOneDevice()
        return cls(tf.distribute.MirroredStrategy(devices, cross_device_ops=reduction))

    @property
    def local_replicas(self) -> int:
        """The number of devices of this process."""
        return self.replicas // self.workers

    def scope(self) -> contextlib.AbstractContextManager:
        """Variables created inside have a copy on each device."""
        return self.strategy.scope()

    def guarded(self) -> contextlib.AbstractContextManager:
        """A context for whatever needs the other processes."""
        return contextlib.nullcontext()


def require_devices(count: int) -> list[str]:
    """Names of this many devices for one model.

    Raises:
        ConfigError: there are fewer.
    """
    gpus = tf.config.list_logical_devices("GPU")
    processors = tf.config.list_logical_devices("CPU")
    found = gpus or (processors if len(processors) > 1 else [])
    if len(found) >= count:
        return [":".join(device.name.split(":")[-2:]) for device in found[:count]]
    also = f" and {len(processors)} logical processors" if found and not gpus else ""
    there = f"TensorFlow finds {counted(len(gpus), 'GPU')}{also} on this machine"
    raise too_few_gpus(count, there, len(found))


class SeveralWorkers(SeveralDevices):
    """Processes, on one or several machines, with the same weights: MultiWorkerMirroredStrategy.

    Args:
        strategy: from `tf.distribute`.
        cluster: as described by TF_CONFIG.
    """

    def __init__(self, strategy: tf.distribute.Strategy, cluster: Cluster):
        super().__init__(strategy)
        self.workers, self.worker = cluster.workers, cluster.worker
        self._are_waiting = True
        atexit.register(self._tell_of_the_end)
        self._total = tf.function(self._total_graph, reduce_retracing=True, autograph=False)

    def agree(self, wish: bool) -> bool:
        """Whether `wish` is true in any process; every process has to call this."""
        return bool(self._sum_of_all(np.array([wish], np.float32))[0] > 0)

    def wait_for_all(self) -> None:
        """Return when every process has called this or has ended."""
        with contextlib.suppress(TrainingError):  # the others had all they need, and ended first
            self.agree(False)
        self._are_waiting = False

    def share(self, value):
        """The chief's value, which must be JSON serialisable; every process has to call this."""
        text = np.frombuffer(json.dumps(value).encode(), np.uint8) if self.is_chief else []
        # Two numbers, because a float32 is exact only up to 16 million.
        high, low = self._of_chief(np.array(divmod(len(text), 4096), np.float32))
        letters = np.zeros(int(high) * 4096 + int(low), np.float32)
        if self.is_chief:
            letters[:] = text
        return json.loads(self._of_chief(letters).astype(np.uint8).tobytes())

    def share_variables(self, variables: Iterable[keras.Variable]) -> None:
        """Give every process the chief's values of these variables."""
        for variable in variables:
            value = np.asarray(variable.value)
            shared = self._of_chief(value.astype(np.float32).reshape(-1))
            variable.assign(shared.reshape(value.shape).astype(value.dtype))

    def require_equal(self, name: str, own: Mapping[str, object]) -> None:
        """Raise ConfigError in each process whose values differ from the chief's."""
        own = json.loads(json.dumps(own, default=str))
        chiefs = self.share(own)
        different = [key for key in chiefs if chiefs[key] != own.get(key)]
        if different:
            listed = ", ".join(f"{k} {own.get(k)!r}, there {chiefs[k]!r}" for k in different[:5])
            raise ConfigError(
                f"Worker {self.worker} has another {name} than the chief ({listed[:500]})",
                advice="start all workers with the same options, on the same files",
            )

    def guarded(self) -> contextlib.AbstractContextManager:
        """Around whatever needs the other processes."""
        return naming_lost_workers()

    def _of_chief(self, array: np.ndarray) -> np.ndarray:
        return self._sum_of_all(array if self.is_chief else np.zeros_like(array))

    def _sum_of_all(self, array: np.ndarray) -> np.ndarray:
        """The sum over the processes; float32 `[n]`."""

        def of_replica(context):
            is_first = context.replica_id_in_sync_group % self.local_replicas == 0
            return tf.convert_to_tensor(array if is_first else np.zeros_like(array))

        self._are_waiting = True
        with self.guarded():
            values = self.strategy.experimental_distribute_values_from_function(of_replica)
            return self._total(values).numpy()

    def _tell_of_the_end(self) -> None:
        """End the other processes, too, if this one ends while they wait for it.

        By themselves they notice only after `PATIENCE`. TensorFlow has no public name for this.
        """
        if not self._are_waiting:
            return
        with contextlib.suppress(ImportError, AttributeError, TypeError, tf.errors.OpError):
            from tensorflow.python.eager import context

            said = f"Worker {self.worker} has ended"
            context.context().report_error_to_cluster(tf.errors.ABORTED, said)
            time.sleep(SENDING)

    def _total_graph(self, values):
        def on_replica(value):
            context = tf.distribute.get_replica_context()
            # An argument of the graph is not on a device yet, but the sum has to be on one.
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(value))

        totals = self.strategy.run(on_replica, args=(values,))
        return self.strategy.experimental_local_results(totals)[0]


@functools.cache
def several_workers(cluster: Cluster, gpu_count: int) -> SeveralWorkers:
    """This process's part in the cluster; a process can join only one, and only once.

    Raises:
        ConfigError: too few GPUs, no server can be started, or TensorFlow has already computed.
    """
    _show_gpus(gpu_count)
    _be_patient()
    if cluster.worker == 0:
        print(f"Waiting for {cluster.workers - 1} other workers of this training.", flush=True)
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise ConfigError(
            "TF_CONFIG is set, but TensorFlow has already computed something",
            advice="make the MaskRCNN before anything else that uses TensorFlow",
        ) from error
    except tf.errors.OpError as error:
        raise ConfigError(
            f"Worker {cluster.worker} cannot serve {cluster.addresses[cluster.worker]} or reach "
            f"the others ({_reason(error)})",
            advice="check the addresses in TF_CONFIG, and whether an earlier training still runs",
        ) from error
    return SeveralWorkers(strategy, cluster)


@contextlib.contextmanager
def naming_lost_workers() -> Iterator[None]:
    """Turn TensorFlow's errors about a process that no longer answers into a TrainingError.

    Raises:
        TrainingError: for TensorFlow errors that mean this; others pass unchanged.
    """
    try:
        yield
    except (*PEER_ERRORS, *PERHAPS_PEER_ERRORS) as error:
        if not _is_of_a_peer(error):
            raise
        raise TrainingError(
            f"Another worker of this training has ended or cannot be reached, see its own output "
            f"({_reason(error)})",
            advice="start all workers again from the last checkpoint, which resumes the training",
        ) from error


def _is_of_a_peer(error: tf.errors.OpError) -> bool:
    message = str(error.message).lower()
    return isinstance(error, PEER_ERRORS) or any(word in message for word in PEER_WORDS)


def _reason(error: tf.errors.OpError) -> str:
    """The reason in a TensorFlow message, without the text around it and the graph location."""
    lines = [line.strip() for line in str(error.message).split("[[")[0].splitlines()]
    said = [line.rpartition("aborted by: ")[2] for line in lines if not line.startswith(NO_REASON)]
    return printable(" ".join(filter(None, said)) or type(error).__name__)[:400]


def _be_patient() -> None:
    """Let a worker be silent for `PATIENCE` seconds before it counts as gone.

    On a busy machine, a process may have to wait longer than TensorFlow's ten seconds before it
    runs: a worker stopped for 14 seconds would end training, itself included. There is no public
    name for this setting; in versions that name it differently, it stays at ten.
    """
    with contextlib.suppress(ImportError, AttributeError, TypeError, ValueError):
        from tensorflow.python.distribute import collective_all_reduce_strategy, multi_worker_util
        from tensorflow.python.eager import context

        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        jobs = resolver.cluster_spec().as_dict()
        job = collective_all_reduce_strategy.coordination_config_pb2.CoordinatedJob
        context.context().configure_coordination_service(
            service_type="standalone",
            service_leader=multi_worker_util.coordination_leader(resolver.cluster_spec()),
            heartbeat_timeout_in_ms=1000 * PATIENCE,
            coordinated_jobs=[job(name=n, num_tasks=len(jobs[n])) for n in jobs],
        )


def _show_gpus(count: int) -> None:
    """Let TensorFlow see only the first `count` GPUs: a worker uses all that it sees."""
    gpus = tf.config.list_physical_devices("GPU")
    if len(gpus) < max(count, 2):
        if count > max(1, len(gpus)):
            raise ConfigError(
                f"{{GPU_COUNT}} is {count}, but TensorFlow finds {counted(len(gpus), 'GPU')} on "
                "this machine",
                settings=("GPU_COUNT",),
                advice="count the GPUs of each worker; a worker without a GPU is one device",
            )
        return
    with contextlib.suppress(RuntimeError):  # TensorFlow is already running; the caller reports it
        tf.config.set_visible_devices(gpus[:count], "GPU")
