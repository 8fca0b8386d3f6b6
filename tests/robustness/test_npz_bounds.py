"""Archives of arrays that claim more than they hold, and states of trainings of strangers."""

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mrcnn.training.npz_archives import opened_arrays
from mrcnn.training.state import FILE_NAME, Progress, read_progress
from tests.robustness.hostile import damaged, ran_code, touched_outside, watched
from tests.support import REPOSITORY

COUNTERS = {"format": 1, "epoch": 2, "step": 3, "seed": 4, "totals": [0.5] * 6, "best": 0.25}
WEIGHTS = {f"weight:conv{n}/kernel": np.full((4, 5), n, np.float32) for n in range(6)}


def state(**counters):
    """The bytes of a state with these counters in place of good ones."""
    stream = io.BytesIO()
    np.savez(stream, **WEIGHTS, progress=np.array(json.dumps(COUNTERS | counters)))
    return stream.getvalue()


def npy(shape, descr="<f4", data=b""):
    """The bytes of an array file whose head may declare anything."""
    head = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}"
    head = head.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


def archive(compression=zipfile.ZIP_STORED, **members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as out:
        for name, data in members.items():
            out.writestr(f"{name}.npy", data)
    return stream.getvalue()


def overlapping():
    """A thousand members that are all the same megabyte."""
    data = bytearray(archive(a=npy((1 << 18,), data=bytes(1 << 20))))
    start = data.index(b"PK\x01\x02")
    entry, end = bytes(data[start:-22]), bytearray(data[-22:])
    entries = b"".join(entry.replace(b"a.npy", f"{n:05d}".encode()) for n in range(1000))
    end[8:16] = struct.pack("<HHL", 1000, 1000, len(entries))
    return bytes(data[:start]) + entries + bytes(end)


def with_member_of_many(count):
    """An archive whose directory lists so many empty members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as out:
        for number in range(count):
            out.writestr(str(number), b"")
    return stream.getvalue()


def test_a_good_archive_gives_arrays_and_shapes(tmp_path):
    (tmp_path / "a.npz").write_bytes(state())
    with opened_arrays(tmp_path / "a.npz") as (data, shapes):
        assert shapes == dict.fromkeys(WEIGHTS, (4, 5))
        np.testing.assert_array_equal(data["weight:conv3/kernel"], np.full((4, 5), 3))
        assert json.loads(str(data["progress"])) == COUNTERS


@pytest.mark.parametrize("array", [np.zeros((0, 3)), np.float32(2), np.array(True), np.arange(3)])
def test_arrays_of_any_real_kind(tmp_path, array):
    np.savez(tmp_path / "a.npz", x=array)
    with opened_arrays(tmp_path / "a.npz") as (data, shapes):
        assert shapes == {"x": np.shape(array)}
        np.testing.assert_array_equal(data["x"], array)


def test_fortran_order_and_long_names(tmp_path):
    np.savez(tmp_path / "a.npz", **{"w" * 300: np.asfortranarray(np.arange(6.0).reshape(2, 3))})
    with opened_arrays(tmp_path / "a.npz") as (data, shapes):
        assert shapes == {"w" * 300: (2, 3)}
        assert data["w" * 300][1, 0] == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (archive(zipfile.ZIP_DEFLATED, a=npy((1 << 20,), data=bytes(4 << 20))), "compressed"),
        (archive(a=npy((10**12,))), "declares 4,000,000,000,1"),
        (archive(a=npy((10**30, 10**30))), "declares"),
        (archive(a=npy((-1,))), "negative"),
        (archive(a=npy((), "<U100000000", b"x" * 4)), "declares"),
        (archive(a=npy((1,), "|O", bytes(8))), "holds object"),
        (archive(a=npy((1,), "<c16", bytes(16))), "holds complex"),
        (archive(a=npy((2,), "<U1", bytes(8))), "holds <U1"),
        (archive(a=npy((1,), "|V8", bytes(8))), "holds"),
        (archive(a=b"\x93NUMPY\x01\x00" + struct.pack("<H", 9001) + b"-" * 9000 + b"1"), "parsed"),
        (archive(a=b"\x93NUMPY\x01\x00\x02\x00(("), "."),
        (archive(a=b"\x93NUMPY\x09\x00"), "version"),
        (archive(a=b"no array"), "magic"),
        (overlapping(), "more bytes than it has"),
        (state() + b"behind", "end as an archive"),
        (b"PK", "too short"),
        (b"", "too short"),
    ],
    ids=[
        "packed", "terabytes", "beyond all", "negative", "long text", "pickle", "complex", "texts",
        "raw", "deep head", "broken head", "version", "no array", "overlapping", "more behind",
        "start alone", "empty",
    ],
)  # fmt: skip
def test_claims_that_are_refused(tmp_path, content, reason):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match=reason), opened_arrays(tmp_path / "a.npz"):
        pass


def test_an_encrypted_member_is_refused(tmp_path):
    content = bytearray(archive(a=npy((1,), data=bytes(4))))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(RuntimeError, match="encrypted"), opened_arrays(tmp_path / "a.npz"):
        pass


def test_a_directory_that_is_larger_than_any_is_not_read(tmp_path):
    """Its entries would take ten times their bytes."""
    content = bytearray(with_member_of_many(300))
    content[-10:-6] = struct.pack("<L", 1 << 25)
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match="does not end as"), opened_arrays(tmp_path / "a.npz"):
        pass


def test_a_directory_of_64_bits_is_refused(tmp_path):
    """Its locator would lead `zipfile` to another directory than the one that was checked."""
    content = state()
    content = content[:-22] + b"PK\x06\x07" + bytes(16) + content[-22:]
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match="does not end as"), opened_arrays(tmp_path / "a.npz"):
        pass


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / FILE_NAME)
    assert read_progress(tmp_path) is None


IN_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from mrcnn.training.npz_archives import opened_arrays
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
for path in sys.argv[1:]:
    try:
        with opened_arrays(path) as (data, shapes):
            [data[name] for name in data.files]
    except ValueError:
        print("refused", flush=True)
"""


def test_bombs_do_not_take_memory(tmp_path):
    """A gigabyte in a megabyte, four terabytes in a head, a gigabyte by overlapping."""
    bombs = [
        archive(zipfile.ZIP_DEFLATED, a=npy((1 << 28,), data=bytes(1 << 28))),
        archive(a=npy((10**12,), data=bytes(100))),
        overlapping(),
    ]
    paths = [tmp_path / f"{number}.npz" for number in range(len(bombs))]
    for path, bomb in zip(paths, bombs, strict=True):
        path.write_bytes(bomb)
    command = [sys.executable, "-c", IN_LITTLE_MEMORY, *map(str, paths)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=1800)
    assert done.stdout == "refused\n" * 3, done.stderr


# --- the state of a training ----------------------------------------------------------------


def test_a_good_state_is_read(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(state())
    assert read_progress(tmp_path) == Progress(2, 3, 4, [0.5] * 6, best=0.25)


@pytest.mark.parametrize(
    "counters",
    [
        {"epoch": -1},
        {"step": -1},
        {"epoch": 1.5},
        {"epoch": True},
        {"epoch": "2"},
        {"seed": 10**30},
        {"seed": None},
        {"totals": "123456"},
        {"totals": [None]},
        {"totals": [1.0, 2.0]},  # a sum for each loss, or none
        {"totals": [float("nan")]},
        {"totals": 5},
        {"best": "0.5"},
        {"best": float("inf")},
        {"best_of": 3},
        {"history": [1]},
        {"history": [{"epoch": [1]}]},
        {"history": {"epoch": 1}},
        {"stopped": ["x"]},
        {"call_end": -5},
    ],
    ids=str,
)
def test_counters_that_no_training_has(tmp_path, counters, capsys):
    (tmp_path / FILE_NAME).write_bytes(state(**counters))
    assert read_progress(tmp_path) is None
    assert "is damaged and ignored" in capsys.readouterr().out


def check_damage(folder: Path, count: int) -> None:
    """Whatever is damaged, there is a state or none."""
    good, usable = state(), 0
    with watched() as events:
        for seed in range(count):
            (folder / FILE_NAME).write_bytes(damaged(good, seed))
            usable += read_progress(folder) is not None
    assert usable < count / 2
    assert not ran_code(events)
    assert not touched_outside(events, folder)


# Of damaged heads NumPy supposes that Python 2 wrote them.
quiet = pytest.mark.filterwarnings("ignore:Reading `.npy`:UserWarning", "ignore::SyntaxWarning")


@quiet
def test_damaged_states(tmp_path):
    check_damage(tmp_path, 300)


@quiet
@pytest.mark.slow
def test_thousands_of_damaged_states(tmp_path):
    check_damage(tmp_path, 20_000)
