"""What these tests share: damage to bytes, JSON that is nearly right, a watch over what is done.

`QUICK` examples are tried in every run of the tests, `THOROUGH` ones with `make test-slow`.
"""

import contextlib
import os
import sys
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from mrcnn.errors import UserError

QUICK, THOROUGH = 60, 3000
# Each example writes a file of its own into one folder of the test; that is meant.
ANY_SPEED = {"deadline": None, "suppress_health_check": list(HealthCheck)}
quick = settings(max_examples=QUICK, **ANY_SPEED)
thorough = settings(max_examples=THOROUGH, **ANY_SPEED)


def value_or_sentence(work, *arguments):
    """What `work` gives; None after a `UserError`, whose message must be one sentence or more.

    Any other exception is passed on, and fails the test.
    """
    try:
        return work(*arguments)
    except UserError as error:
        text = str(error)
        assert len(text) > 20 and "\n" not in text and "Traceback" not in text, repr(text)
        return None


# --- damage


def damaged(data: bytes, seed: int) -> bytes:
    """`data` after one to four random changes: flipped, cut, doubled, or set to extreme bytes."""
    rng = np.random.default_rng(seed)
    data = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        if not data:
            break
        start = int(rng.integers(len(data)))
        # Heads and directories stand at the beginning: half of the damage goes there.
        start = start if rng.random() < 0.5 else start % 128
        length = int(rng.integers(1, 9))
        piece = slice(start, start + length)
        match int(rng.integers(6)):
            case 0:
                data[piece] = rng.bytes(len(data[piece]))
            case 1:
                data[piece] = b"\xff" * len(data[piece])
            case 2:
                data[piece] = b"\0" * len(data[piece])
            case 3:
                del data[piece]
            case 4:
                data[start:start] = data[piece] * int(rng.integers(1, 20))
            case 5:
                del data[start:]
    return bytes(data)


# --- JSON that is nearly right

texts = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        ["../a.jpg", "/etc/passwd", "a\0b", "\x1b[31m", "\n", "é" * 200, "-rf", "nan", "1e999", "²"]
    ),
)
numbers = st.one_of(
    st.integers(-(10**3), 10**3),
    st.sampled_from([0, -1, 2**31, 2**63, 10**30, 10**400, -(10**400)]),
    st.floats(),
    st.floats(-50, 50),
)
leaves = st.one_of(st.none(), st.booleans(), numbers, texts)
junk = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


def mostly(strategy):
    """`strategy`, and now and then anything at all."""
    return st.integers(0, 9).flatmap(lambda n: junk if n == 0 else strategy)


def entries(required: dict, optional: dict | None = None):
    """Objects with these keys, of which some may be missing, and with values that may be junk."""
    optional = {key: mostly(value) for key, value in (required | (optional or {})).items()}
    whole = st.fixed_dictionaries({key: mostly(value) for key, value in required.items()})
    return st.one_of(whole, whole, st.fixed_dictionaries({}, optional=optional))


# --- a watch over files and processes

_watching: list[list[tuple[str, tuple]]] = []
_hooked: list[bool] = []


@contextlib.contextmanager
def watched():
    """The audit events of the block (PEP 578): pairs of a name and its arguments."""
    if not _hooked:
        # A hook cannot be taken out again; this one does nothing outside of the block.
        sys.addaudithook(lambda name, args: [e.append((name, args)) for e in _watching])
        _hooked.append(True)
    events: list[tuple[str, tuple]] = []
    _watching.append(events)
    try:
        yield events
    finally:
        _watching.remove(events)


RUNS_CODE = ("subprocess.Popen", "os.system", "os.exec", "os.spawn", "os.posix_spawn")
LOADS_CODE = ("pickle.find_class", "marshal.loads", "ctypes.dlopen")
CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.chmod")


def ran_code(events) -> list[tuple[str, tuple]]:
    """Programs that were started, and code that was loaded but by an import."""
    return [event for event in events if event[0] in RUNS_CODE + LOADS_CODE[:1]]


def touched_outside(events, folder: Path) -> list[str]:
    """Paths outside of `folder` that were opened or changed, the interpreter's own apart."""
    own = [Path(sys.prefix), Path(sys.base_prefix), Path(__file__).parents[2], Path("/proc")]
    own += [Path("/dev"), Path("/sys"), Path("/usr"), folder]
    own = [path.resolve() for path in own]
    found = []
    for name, arguments in events:
        if name == "open" or name in CHANGES:
            paths = [p for p in arguments[:2] if isinstance(p, str | bytes) and p not in ("r", "w")]
            paths = paths[:1] if name == "open" else paths
            for path in map(os.fsdecode, paths):
                where = Path(os.path.realpath(path))
                if not any(where.is_relative_to(place) for place in own):
                    found.append(f"{name} {path}")
    return found
