"""Reading weight files (.h5), which must not declare more data than they contain.

Matterport's layout is that of Keras 2: one group per layer, with the names of its weights.
"""

import contextlib
import dataclasses
import hashlib
import math
import mmap
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np

from mrcnn.errors import WeightsError, WeightsNotFoundError
from mrcnn.system.files import is_file, is_folder

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# Files that users mistake for weight files, by their first bytes.
_OTHER_KINDS = (
    (b"PK\x03\x04", "a zip archive, as Keras 3 (.keras) and PyTorch write"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file it stands for"),
    (b"<", "an HTML or XML page, as a failed download leaves"),
    (b"\x80", "a pickle, as older PyTorch versions write"),
)
# What h5py raises for a damaged file.
_DAMAGE = (OSError, KeyError, ValueError, TypeError, RuntimeError)
_OTHER_FILE = "give a Keras 2 / Matterport .h5 weight file"
_NEW_COPY = "copy or download it again"


@dataclasses.dataclass(frozen=True)
class StoredWeight:
    """One array in a weight file: its location and shape; the values stay on disk."""

    file: Path
    dataset: str
    shape: tuple[int, ...]

    def read(self) -> np.ndarray:
        """The values, float32."""
        return next(read_arrays([self]))


Layers = dict[str, list[tuple[str, StoredWeight]]]


class WeightReader:
    """An open weight file; see `open_weights`.

    Attributes:
        path: the file.
        sha256: of its content, in hexadecimal digits; None unless requested.
    """

    def __init__(self, path: Path, file: h5py.File, sha256: str | None):
        self.path, self.sha256 = path, sha256
        self._file = file

    def layers(self) -> Layers:
        """See `read_layers`."""
        path = self.path
        root, names = _root(self._file, path)
        with _h5py_calls(path):
            backend = root.attrs.get("backend", "")
        if _text(backend, path) == "theano":
            raise WeightsError(
                "was written by Keras on Theano, whose kernels are mirrored",
                path=path,
                advice="convert it to the TensorFlow backend first",
            )
        groups = {name: _member(root, name, path) for name in names}
        listed = {name: _names(group, "weight_names", path) for name, group in groups.items()}
        count = sum(len(found or ()) for found in listed.values())
        require_bounded(path, "arrays", count, MOST_NAMES)
        layers: Layers = {}
        numbers = 0
        for name, weights in listed.items():
            layers[name] = [(w, _stored_weight(groups[name], w, path)) for w in weights or ()]
            numbers += sum(math.prod(stored.shape) for _, stored in layers[name])
            require_bounded(path, "numbers", numbers, MOST_NUMBERS)
        return layers

    def attributes(self) -> dict[str, str]:
        """See `read_attributes`."""
        path, file = self.path, self._file
        texts = {}
        with _h5py_calls(path):
            # A name that is not UTF-8 comes as bytes.
            ids = {name: file.attrs.get_id(name) for name in file.attrs if isinstance(name, str)}
            ids = {name: found for name, found in ids.items() if found.shape == ()}
            kinds = {name: (found.shape, found.dtype) for name, found in ids.items()}
        require_little_text(path, kinds.values())
        for name, (_, dtype) in kinds.items():
            if dtype.kind in "SO":
                with _h5py_calls(path):
                    value = file.attrs[name]
                if isinstance(value, bytes | str):  # references are objects, too
                    texts[name] = _text(value, path)
        return texts

    def arrays(self, weights: Iterable[StoredWeight]) -> Iterator[np.ndarray]:
        """See `read_arrays`."""
        path = self.path
        for weight in weights:
            dataset = _dataset(self._file, weight.dataset, path)
            if dataset.shape != weight.shape or dataset.size > MOST_NUMBERS:
                raise WeightsError(
                    "changed while it was being read", path=path, advice="load it again"
                )
            with _h5py_calls(path):
                values = dataset[()]
            yield np.asarray(values, dtype=np.float32)


@contextlib.contextmanager
def open_weights(path: str | os.PathLike, *, digest: bool = False) -> Iterator[WeightReader]:
    """Open a weight file once for everything that is read from it.

    digest: also compute the sha256 of its content.

    Raises:
        WeightsNotFoundError: there is no file.
        WeightsError: it is damaged or not HDF5.
    """
    path = Path(path)
    if not is_file(path):
        if is_folder(path):
            raise WeightsError("is a folder", path=path, advice="name the .h5 weight file itself")
        raise WeightsNotFoundError(
            "there is no such weight file", path=path, advice="check the name and folder"
        )
    with contextlib.ExitStack() as stack:
        source: Path | BinaryIO = path
        sha256 = None
        with _h5py_calls(path):
            if digest:
                source = stack.enter_context(path.open("rb"))
                sha256 = hashlib.file_digest(source, "sha256").hexdigest()
            file = stack.enter_context(h5py.File(source, "r", locking="best-effort"))
        yield WeightReader(path, file, sha256)


def read_layers(path: str | os.PathLike) -> dict[str, list[tuple[str, StoredWeight]]]:
    """The layers of a weight file in its own order: name -> [(weight name, stored weight), ...].

    Layers without weights have an empty list. No values are read yet: `StoredWeight.read` reads one
    array, `read_arrays` several while opening the file once.

    Raises:
        WeightsNotFoundError: there is no such file.
        WeightsError: it is damaged, of another layout, or refers to other files.
    """
    with open_weights(path) as file:
        return file.layers()


def read_arrays(weights: Iterable[StoredWeight]) -> Iterator[np.ndarray]:
    """Yield the values of several weights of one file, float32, in the given order.

    Raises:
        WeightsError: the file was damaged or replaced since `read_layers`.
    """
    weights = list(weights)
    if weights:
        with open_weights(weights[0].file) as file:
            yield from file.arrays(weights)


def read_attributes(path: str | os.PathLike) -> dict[str, str]:
    """The string root attributes of a weight file, such as the notes of `h5_writing.write_layers`.

    Raises:
        WeightsNotFoundError, WeightsError: as `read_layers`.
    """
    with open_weights(path) as file:
        return file.attributes()


@contextlib.contextmanager
def _h5py_calls(path: Path) -> Iterator[None]:
    """Wraps h5py calls only: whatever they raise means a faulty file and becomes a WeightsError."""
    try:
        yield
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> WeightsError:
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as denied:
        return WeightsError(
            f"cannot be read ({denied.strerror})", path=path, advice="check its permissions"
        )
    if start.startswith(_HDF5_SIGNATURE):
        detail = str(error).strip("\"'").splitlines()[0] if str(error) else type(error).__name__
        return WeightsError(f"is damaged or cut short ({detail})", path=path, advice=_NEW_COPY)
    kind = next((words for magic, words in _OTHER_KINDS if start.startswith(magic)), None)
    kind = kind or ("not an HDF5 file" if start else "empty")
    return WeightsError(f"is {kind}", path=path, advice=_OTHER_FILE)


def _root(file: h5py.File, path: Path) -> tuple[h5py.Group, list[str]]:
    """The group that lists the layers, and their names."""
    names = _names(file, "layer_names", path)
    if names is not None:
        return file, names
    if _lists(file, "model_weights", path):
        group = _member(file, "model_weights", path)
        names = _names(group, "layer_names", path)
        if names is not None:
            return group, names
    if any(_lists(file, name, path) for name in ("layers", "_layer_checkpoint_dependencies")):
        raise WeightsError(
            "has the layout of Keras 3's own .weights.h5, which names no layers",
            path=path,
            advice="save it again in Keras 2's layout (mrcnn.weights.matching.save_weights)",
        )
    raise WeightsError(
        "is HDF5 but holds no Keras weights (no attribute layer_names)",
        path=path,
        advice=_OTHER_FILE,
    )


def _lists(group: h5py.Group, name: str, path: Path) -> bool:
    """Whether a group has a link of this name; the link is not followed: it may lead anywhere."""
    with _h5py_calls(path):
        return group.id.links.exists(name.encode())


def _names(group: h5py.HLObject, attribute: str, path: Path) -> list[str] | None:
    """A list-of-strings attribute, joined from its chunks; None if there is none."""
    with _h5py_calls(path):
        pieces = [attribute] if attribute in group.attrs else []
        while not pieces or pieces[0] != attribute:
            piece = f"{attribute}{len(pieces)}"
            if piece not in group.attrs:
                break
            pieces.append(piece)
        ids = [group.attrs.get_id(piece) for piece in pieces]
        kinds = [(found.shape, found.dtype) for found in ids]
    if not pieces:
        return None
    require_little_text(path, kinds)
    with _h5py_calls(path):
        parts = [np.atleast_1d(group.attrs[piece]) for piece in pieces]
    return [_text(name, path) for part in parts for name in part]


def _text(value: object, path: Path) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        with contextlib.suppress(UnicodeDecodeError):
            return value.decode("utf-8")
    raise WeightsError(
        f"is damaged or cut short (a name is not text: {value!r})", path=path, advice=_NEW_COPY
    )


def _member(group: h5py.Group, name: str, path: Path) -> h5py.HLObject:
    """`group[name]`, following hard links only, so that nothing leads out of the file."""
    found = group
    for part in name.strip("/").split("/"):
        with _h5py_calls(path):
            exists = isinstance(found, h5py.Group) and found.id.links.exists(part.encode())
            link = found.id.links.get_info(part.encode()) if exists else None
            is_inside = link is not None and link.type == h5py.h5l.TYPE_HARD
            member = found[part] if is_inside else None
        if not exists:
            raise WeightsError(
                f"is damaged: it lists {name} but does not hold it", path=path, advice=_NEW_COPY
            )
        if not is_inside:
            raise _refers_outside(path, name)
        found = member
    return found


def _dataset(group: h5py.Group, name: str, path: Path) -> h5py.Dataset:
    dataset = _member(group, name, path)
    with _h5py_calls(path):
        is_array = isinstance(dataset, h5py.Dataset) and dataset.shape is not None
        is_array = is_array and dataset.dtype.kind == "f"
        is_filtered = is_array and bool(dataset.id.get_create_plist().get_nfilters())
        is_outside = is_array and (dataset.is_virtual or bool(dataset.external))
    if not is_array:
        raise WeightsError(
            f"is not a usable weight file: {name} is not an array of floating-point numbers",
            path=path,
            advice=_NEW_COPY,
        )
    if is_filtered:
        raise WeightsError(
            f"holds a compressed or filtered array ({name}), which Keras never writes",
            path=path,
            advice="unpack it first (h5repack -f NONE in.h5 out.h5)",
        )
    if is_outside:
        raise _refers_outside(path, name)
    return dataset


def _refers_outside(path: Path, name: str) -> WeightsError:
    return WeightsError(
        f"refers to data outside itself ({name}), which a weight file never needs",
        path=path,
        advice="do not use it",
    )


def _stored_weight(group: h5py.Group, name: str, path: Path) -> StoredWeight:
    dataset = _dataset(group, name, path)
    return StoredWeight(path, f"{group.name}/{name}", tuple(int(n) for n in dataset.shape))


# Four times as many as the largest ResNet Mask R-CNN has; 1 GB as float32.
MOST_NUMBERS = 1 << 28
MOST_NAMES = 10_000
MOST_TEXT = 1 << 30  # bytes of names and notes, at worst

# A heap of variable-length strings: signature, version 1, three zero bytes, its size.
_HEAP = b"GCOL\x01\x00\x00\x00"


def require_bounded(path: Path, what: str, count: int, most: int) -> None:
    """Raise `WeightsError` if a file declares more of something than any network has."""
    if count > most:
        raise WeightsError(
            f"declares more than {most:,} {what}, unlike any weight file of such a network",
            path=path,
            advice="do not use it",
        )


def require_little_text(
    path: Path, attributes: Iterable[tuple[tuple[int, ...] | None, np.dtype]]
) -> None:
    """Raise `WeightsError` if there are too many text attributes, or they are too long to read.

    Variable-length strings are stored in a heap, and any number of names may refer to one string.

    Args:
        path: the weight file.
        attributes: shape (None for an empty one) and dtype of each.
    """
    counts, worst = 0, 0
    has_heap = False
    for shape, dtype in attributes:
        count = math.prod(shape or ())
        counts += count
        worst += count * dtype.itemsize
        has_heap = has_heap or dtype.kind == "O"
    if has_heap:
        whole = counts * path.stat().st_size
        # Finding heaps means scanning the whole file, so do it only where they could matter.
        worst = max(worst, whole if whole <= MOST_TEXT else counts * _largest_heap(path))
    if counts > MOST_NAMES or worst > MOST_TEXT:
        raise WeightsError(
            f"is damaged or cut short ({counts:,} texts are listed in an attribute)",
            path=path,
            advice="copy or download it again",
        )


def _largest_heap(path: Path) -> int:
    """The most bytes that one variable-length string in a file can have."""
    largest = 0
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        place = data.find(_HEAP)
        while place >= 0:
            start = place + len(_HEAP)
            largest = max(largest, int.from_bytes(data[start : start + 8], "little"))
            place = data.find(_HEAP, start)
    return min(largest, path.stat().st_size)
