"""Which number format the network computes in."""

import contextlib
import pathlib
from collections.abc import Iterator

import keras
import tensorflow as tf

NATIVE_BFLOAT16_FLAGS = ("amx_bf16", "avx512_bf16")
FIRST_GPU_GENERATION_WITH_BFLOAT16 = 8


def resolve_precision(precision: str) -> str:
    """'float32' or 'bfloat16' for Config.PRECISION.

    'auto' is bfloat16 where every GPU, or without one the processor, computes in it natively;
    elsewhere bfloat16 would be slower than float32.
    """
    if precision != "auto":
        return precision
    gpus = tf.config.list_physical_devices("GPU")
    native = all(_gpu_has_bfloat16(g) for g in gpus) if gpus else _processor_has_bfloat16()
    return "bfloat16" if native else "float32"


def _gpu_has_bfloat16(gpu) -> bool:
    details = tf.config.experimental.get_device_details(gpu)
    return details.get("compute_capability", (0, 0))[0] >= FIRST_GPU_GENERATION_WITH_BFLOAT16


def _processor_has_bfloat16() -> bool:
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(flag in text for flag in NATIVE_BFLOAT16_FLAGS)


@contextlib.contextmanager
def building_in(precision: str) -> Iterator[None]:
    """Layers made inside compute in `precision`; weights stay float32.

    A backbone given as a function takes no policy, so Keras's default is changed while the model is
    built. Keras keeps it for each thread: other threads do not see the change.
    """
    before = keras.config.dtype_policy()
    policy = "mixed_bfloat16" if resolve_precision(precision) == "bfloat16" else "float32"
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
