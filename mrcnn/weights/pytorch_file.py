"""Reading the tensors of a PyTorch weight file in the legacy format, without PyTorch.

Before PyTorch 1.6, `torch.save` wrote five pickles (a magic number, the format version, the
machine's integer sizes, the saved object, the list of its storages) and then, for each storage in
that list, its number of elements and its elements.

A pickle is a program that may call anything. Here its operations are interpreted one by one, and
only those that a dictionary of tensors needs are implemented: no name in the file is ever imported,
and nothing is called. Everything that a file declares is checked against its actual content before
memory is allocated for it.
"""

import dataclasses
import io
import math
import os
import pickletools
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.errors import WeightsError, WeightsNotFoundError
from mrcnn.system.files import is_file

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
LAYOUT_VERSION = 1001
MOST_BYTES = 1 << 28  # of a file; EfficientNet-Lite0's has a fourteenth of that
MOST_TENSORS = 10_000
MOST_OPERATIONS = 100 * MOST_TENSORS
MOST_DIMENSIONS = 8


_DICTIONARY, _TENSOR = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
_STORAGES: dict[str, np.dtype] = {
    "torch HalfStorage": np.dtype("<f2"),
    "torch FloatStorage": np.dtype("<f4"),
    "torch DoubleStorage": np.dtype("<f8"),
    "torch ByteStorage": np.dtype("u1"),
    "torch CharStorage": np.dtype("i1"),
    "torch ShortStorage": np.dtype("<i2"),
    "torch IntStorage": np.dtype("<i4"),
    "torch LongStorage": np.dtype("<i8"),
}


def read_tensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The tensors of a saved `state_dict`, by name, in the file's order, in their own dtypes.

    Raises:
        WeightsNotFoundError: no such file.
        WeightsError: it is damaged, of another layout, too large, or holds anything but a
            dictionary of tensors.
    """
    path = Path(path)
    if not is_file(path):
        raise WeightsNotFoundError(
            "there is no such weight file", path=path, advice="check the name and folder"
        )
    if path.stat().st_size > MOST_BYTES:
        raise WeightsError(
            "the file is too large for the network it should hold",
            path=path,
            expected=f"at most {MOST_BYTES:,} bytes",
            found=f"{path.stat().st_size:,}",
        )
    try:
        return _read(io.BytesIO(path.read_bytes()))
    except _BadFileError as error:
        raise WeightsError(
            f"this is not a PyTorch file of named tensors, in the layout before 1.6 ({error})",
            path=path,
            advice="copy or download it again",
        ) from error


class _BadFileError(Exception):
    """What is wrong with a file, as a clause."""


def _read(stream: io.BytesIO) -> dict[str, np.ndarray]:
    if _unpickle(stream) != MAGIC_NUMBER:
        raise _BadFileError("it does not start with the expected magic number")
    if _unpickle(stream) != LAYOUT_VERSION:
        raise _BadFileError("its layout is of a different version")
    machine = _unpickle(stream)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise _BadFileError("its numbers are not little-endian")
    tensors = _unpickle(stream)
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(tensor, _Tensor) for name, tensor in tensors.items()
    ):
        raise _BadFileError("it holds something other than tensors by name")
    if len(tensors) > MOST_TENSORS:
        raise _BadFileError(f"it holds more than {MOST_TENSORS:,} tensors")
    storages = _read_storages(stream, _declared(tensors))
    return {name: tensor.view(storages[tensor.storage.key]) for name, tensor in tensors.items()}


def _declared(tensors: dict[str, "_Tensor"]) -> dict[str, "_Storage"]:
    """The storages that the tensors refer to; each belongs to exactly one tensor."""
    declared: dict[str, _Storage] = {}
    for name, tensor in tensors.items():
        if tensor.storage.key in declared:
            raise _BadFileError(f"{name} shares its numbers with another tensor")
        declared[tensor.storage.key] = tensor.storage
    return declared


def _read_storages(stream: io.BytesIO, declared: dict[str, "_Storage"]) -> dict[str, np.ndarray]:
    keys = _unpickle(stream)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise _BadFileError("what should be its list of storages is not one")
    if len(set(keys)) != len(keys) or set(keys) != set(declared):
        raise _BadFileError("its list of storages does not fit its tensors")
    values = {}
    for key in keys:
        storage = declared[key]
        size = stream.read(8)
        if len(size) < 8:
            raise _BadFileError("it is cut short")
        if struct.unpack("<q", size)[0] != storage.count:
            raise _BadFileError(f"storage {key} does not have the size that its tensor gives")
        data = stream.read(storage.count * storage.dtype.itemsize)
        if len(data) < storage.count * storage.dtype.itemsize:
            raise _BadFileError("it is cut short")
        values[key] = np.frombuffer(data, storage.dtype)
    if stream.read(1):
        raise _BadFileError("bytes follow its last storage")
    return values


@dataclasses.dataclass(frozen=True)
class _Name:
    """A global name in the pickle, such as `torch FloatStorage`; never looked up anywhere."""

    text: str


@dataclasses.dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype
    count: int


@dataclasses.dataclass(frozen=True)
class _Tensor:
    """Where the values of a tensor are in its storage."""

    storage: _Storage
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def view(self, values: np.ndarray) -> np.ndarray:
        """The tensor, C-contiguous, from the values of its storage."""
        order = sorted(range(len(self.shape)), key=lambda axis: -self.strides[axis])
        stored = values.reshape([self.shape[axis] for axis in order])
        return np.array(stored.transpose(np.argsort(order)), order="C")


def _storage(description: Any) -> _Storage:
    """From a persistent id: ('storage', type, key, device, number of elements, None)."""
    match description:
        case ("storage", _Name(text), str(key), str(), int(count), None) if text in _STORAGES:
            if not 0 <= count <= MOST_BYTES:
                raise _BadFileError(f"storage {key} declares {count} numbers")
            dtype = _STORAGES[text]
        case _:
            raise _BadFileError("it refers to something outside that is not a storage")
    return _Storage(key, dtype, count)


def _tensor(arguments: Any) -> _Tensor:
    """From (storage, offset, shape, strides, requires_grad, hooks); must span the whole storage."""
    match arguments:
        case (_Storage() as storage, 0, tuple(shape), tuple(strides), bool(), {}):
            pass
        case _:
            raise _BadFileError("a tensor is described in an unknown way")
    if len(shape) != len(strides) or len(shape) > MOST_DIMENSIONS:
        raise _BadFileError("a tensor's shape and strides do not agree")
    if not all(type(n) is int and n >= 0 for n in (*shape, *strides)):
        raise _BadFileError("a tensor's shape and strides are not whole numbers")
    if math.prod(shape) != storage.count:
        raise _BadFileError("a tensor does not have as many elements as its storage")
    expected = 1
    for stride, size in sorted(zip(strides, shape, strict=True)):
        if size != 1 and stride != expected:
            raise _BadFileError("a tensor does not take each number of its storage once")
        expected *= size
    return _Tensor(storage, shape, strides)


def _unpickle(stream: io.BytesIO) -> Any:
    """The object of the pickle that begins here; leaves the stream just after it."""
    machine = _Machine()
    try:
        for count, (operation, argument, _) in enumerate(pickletools.genops(stream)):
            if count > MOST_OPERATIONS:
                raise _BadFileError("it is longer than a list of tensors can be")
            if operation.name == "STOP":
                return machine.result()
            if operation.name not in _OPERATIONS:
                raise _BadFileError(f"it uses {operation.name}, which no tensor needs")
            _OPERATIONS[operation.name](machine, argument)
    # genops raises these for bytes that are not a pickle, and so do operations that do not match
    # their stack or memo.
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise _BadFileError("it is damaged or cut short") from error
    raise _BadFileError("it is cut short")


class _Machine:
    """The stack and memo of one pickle, with the few operations that build tensors."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def result(self) -> Any:
        if len(self.stack) != 1 or self.marks:
            raise _BadFileError("it ends in the middle")
        return self.stack.pop()

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self, _: None) -> None:
        self.marks.append(len(self.stack))

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        items, self.stack = self.stack[start:], self.stack[:start]
        return items

    def put(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def get(self, place: int) -> None:
        self.push(self.memo[place])

    def name(self, text: str) -> None:
        if text not in (_DICTIONARY, _TENSOR, *_STORAGES):
            raise _BadFileError(f"it asks for {text.replace(' ', '.')}, which no tensor needs")
        self.push(_Name(text))

    def tuple_of(self, count: int) -> None:
        if count > len(self.stack):
            raise _BadFileError("it ends in the middle")
        start = len(self.stack) - count
        self.stack[start:] = [tuple(self.stack[start:])]

    def marked_tuple(self, _: None) -> None:
        self.push(tuple(self.since_mark()))

    def append(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise _BadFileError("it appends to something other than a list")
        self.stack[-1].extend(items)

    def set_items(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not dict or len(items) % 2:
            raise _BadFileError("it sets items of something other than a dictionary")
        # Hashing tuples within tuples could take forever, or exhaust the stack.
        if not all(type(key) is str for key in items[::2]):
            raise _BadFileError("a dictionary has a key that is not text")
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def set_one(self, _: None) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def reduce(self, _: None) -> None:
        """The two calls that a file may make: an empty dictionary, and a tensor from a storage."""
        arguments, function = self.stack.pop(), self.stack.pop()
        if function == _Name(_DICTIONARY) and arguments == ():
            self.push({})
        elif function == _Name(_TENSOR):
            self.push(_tensor(arguments))
        else:
            raise _BadFileError("it calls something that no tensor needs")

    def build(self, _: None) -> None:
        """Ignores the attributes of a dictionary (versions of the saved modules)."""
        state = self.stack.pop()
        if type(state) is not dict or type(self.stack[-1]) is not dict:
            raise _BadFileError("it sets attributes of something other than a dictionary")

    def persistent(self, _: None) -> None:
        self.push(_storage(self.stack.pop()))


_OPERATIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda machine, _: None,
    "MARK": _Machine.mark,
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"), _Machine.push),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "TUPLE": _Machine.marked_tuple,
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "APPEND": lambda machine, _: machine.append([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.append(machine.since_mark()),
    "SETITEM": _Machine.set_one,
    "SETITEMS": lambda machine, _: machine.set_items(machine.since_mark()),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _Machine.get),
    "GLOBAL": _Machine.name,
    "BINPERSID": _Machine.persistent,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}
