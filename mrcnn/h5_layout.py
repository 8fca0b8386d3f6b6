"""Keras 2's HDF5 weight layout: named layers, each with an ordered list of float arrays.

Matterport's `.h5` files, the ImageNet files and everything this project writes have it:

- the root (or, in a file that holds a whole model, the group `/model_weights`) has the attribute
  `layer_names`, an array of strings in the model's order;
- each layer has a group of its name, whose attribute `weight_names` lists its arrays in order;
- each entry of `weight_names` is a path inside that group: `/conv1/conv1/kernel:0`.

An attribute above 64 kB is cut into `layer_names0`, `layer_names1`, ... (HDF5's limit of an object
header). Only arrays and string attributes are read: no model is deserialised, and links or storage
that lead out of the file are refused, as are compressed arrays (Keras writes none, and a small one
can unpack to any size) and more numbers than `MOST_NUMBERS`. This module knows neither Keras nor
any layer's meaning.
"""

import contextlib
import dataclasses
import io
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

import h5py
import numpy as np

from mrcnn.errors import UserError, WeightsError, WeightsNotFoundError
from mrcnn.files import is_file, is_folder, replacing
from mrcnn.h5_bounds import MOST_NAMES, MOST_NUMBERS, require_bounded, require_little_text

# Readers convert only what version 1 wrote; any 2.x means "as it stands". This one is the version
# whose files the layout was measured on.
KERAS_VERSION = "2.13.1"
BACKEND = "tensorflow"
ATTRIBUTE_LIMIT = 64512
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# What users really hand over in place of a weight file, by its first bytes.
_OTHER_KINDS = (
    (b"PK\x03\x04", "a zip archive, as Keras 3 (.keras) and PyTorch write"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file it stands for"),
    (b"<", "an HTML or XML page, as a failed download leaves"),
    (b"\x80", "a pickle, as older PyTorch versions write"),
)
_HDF5_ERRORS = (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError)


@dataclasses.dataclass(frozen=True)
class StoredWeight:
    """One array of a weight file: where it stands and its shape; the values stay on disk."""

    file: Path
    dataset: str
    shape: tuple[int, ...]

    def read(self) -> np.ndarray:
        """The values, float32."""
        return next(read_arrays([self]))


def read_layers(path: str | os.PathLike) -> dict[str, list[tuple[str, StoredWeight]]]:
    """The layers of a weight file in its own order: name -> [(weight name, stored weight), ...].

    Weightless layers have an empty list. No values are read yet: `StoredWeight.read` gives one
    array, `read_arrays` several with one opening of the file.

    Raises WeightsNotFoundError where there is no file, WeightsError where it is damaged, of another
    layout, or refers to other files.
    """
    path = Path(path)
    with _opened(path) as file:
        return _layers(file, path)


def read_layers_and_attributes(
    path: str | os.PathLike,
) -> tuple[dict[str, list[tuple[str, StoredWeight]]], dict[str, str]]:
    """What `read_layers` and `read_attributes` give, with one opening of the file."""
    path = Path(path)
    with _opened(path) as file:
        return _layers(file, path), _texts(file)


def read_arrays(weights: Iterable[StoredWeight]) -> Iterator[np.ndarray]:
    """The values of several weights of one file, float32, one after another, in the order given.

    Raises WeightsError where the file was damaged or exchanged since `read_layers`.
    """
    weights = list(weights)
    if not weights:
        return
    path = weights[0].file
    with _opened(path) as file:
        for weight in weights:
            dataset = _dataset(file, weight.dataset, path)
            if dataset.shape != weight.shape or dataset.size > MOST_NUMBERS:
                raise WeightsError(f"{path} changed while it was being read; load it again.")
            yield np.asarray(dataset[()], dtype=np.float32)


def read_attributes(path: str | os.PathLike) -> dict[str, str]:
    """The texts among a weight file's root attributes, such as notes of `write_layers`.

    Raises WeightsNotFoundError or WeightsError, as `read_layers`.
    """
    with _opened(Path(path)) as file:
        return _texts(file)


def write_layers(
    path: str | os.PathLike,
    layers: Iterable[tuple[str, Iterable[tuple[str, np.ndarray]]]],
    notes: Mapping[str, str] | None = None,
) -> None:
    """Writes (layer name, [(weight name, array), ...]) pairs as float32 in Keras 2's layout.

    `layers` may be a generator: one array is held at a time. The file appears whole or not at all
    under `path` (an existing one is replaced); equal values give equal bytes. The attributes are
    fixed-length byte strings, which every Keras 2 reads under h5py 2 as well as 3. `notes` become
    further root attributes, which Keras ignores.

    Raises WeightsError where the folder is missing or not writable or the disk is full; a file
    that was there before is then untouched.
    """
    try:
        with replacing(os.path.realpath(path), "wb+") as stream:
            sink = _Sink(stream)
            with h5py.File(sink, "w") as file:
                _write_groups(file, layers, sink)
                for name, text in (notes or {}).items():
                    file.attrs[name] = np.bytes_(text.encode())
            sink.raise_error()
    except OSError as error:
        reason = error.strerror or str(error)
        raise WeightsError(
            f"The weights could not be written to {path}: {reason}; "
            "choose a folder that can be written to and has room."
        ) from error


class _Sink(io.RawIOBase):
    """A file for h5py to write to that never fails under it.

    The HDF5 library crashes the process when it cannot flush what it still holds (measured on a
    full disk with HDF5 1.14), so the first error is kept, later writes are dropped, and the caller
    asks for the error once HDF5 has closed the file in peace.
    """

    def __init__(self, raw: IO[bytes]):
        self.raw = raw
        self.error: OSError | None = None

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.raw.seek(offset, whence)

    def tell(self) -> int:
        return self.raw.tell()

    def readinto(self, buffer) -> int:
        return self.raw.readinto(buffer)

    def truncate(self, size: int | None = None) -> int:
        try:
            return self.raw.truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0

    def write(self, data) -> int:
        view = memoryview(data).cast("B")
        try:
            done = len(view) if self.error else 0
            while done < len(view):
                done += self.raw.write(view[done:])
        except OSError as error:
            self.error = error
        return len(view)

    def raise_error(self) -> None:
        """Raises the first error of a write, if there was one."""
        if self.error:
            raise self.error


def _write_groups(file, layers, sink):
    names = []
    for name, weights in layers:
        names.append(name)
        group = file.create_group(name)
        weight_names = []
        for weight_name, values in weights:
            weight_names.append(weight_name)
            values = np.asarray(values, dtype=np.float32)
            group.create_dataset(weight_name, data=values, track_times=False)
            if sink.error:
                return
        _write_names(group, "weight_names", weight_names)
    _write_names(file, "layer_names", names)
    file.attrs["backend"] = np.bytes_(BACKEND)
    file.attrs["keras_version"] = np.bytes_(KERAS_VERSION)


def _write_names(group, attribute, names):
    if not names:
        group.attrs[attribute] = np.zeros(0, "S1")
        return
    array = np.array([name.encode() for name in names])
    count = 1
    while max(part.nbytes for part in np.array_split(array, count)) > ATTRIBUTE_LIMIT:
        count += 1
    if count == 1:
        group.attrs[attribute] = array
        return
    for index, part in enumerate(np.array_split(array, count)):
        group.attrs[f"{attribute}{index}"] = part


def _layers(file, path):
    root, names = _root(file, path)
    backend = _text(root.attrs.get("backend", BACKEND))
    if backend == "theano":
        raise WeightsError(
            f"{path} was written by Keras on Theano, whose kernels are mirrored; "
            "convert it to the TensorFlow backend first."
        )
    groups = {name: _member(root, name, path) for name in names}
    listed = {name: _names(groups[name], "weight_names") or [] for name in groups}
    require_bounded(path, "arrays", sum(map(len, listed.values())), MOST_NAMES)
    layers, numbers = {}, 0
    for name, weights in listed.items():
        layers[name] = [(w, _stored_weight(groups[name], w, path)) for w in weights]
        numbers += sum(math.prod(stored.shape) for _, stored in layers[name])
        require_bounded(path, "numbers", numbers, MOST_NUMBERS)
    return layers


def _texts(file):
    texts = {}
    # Nobody asks for a name that is not text: h5py gives such names as bytes.
    names = [name for name in file.attrs if isinstance(name, str)]
    names = [name for name in names if file.attrs.get_id(name).shape == ()]
    require_little_text(file, [file.attrs.get_id(name) for name in names])
    for name in names:
        if file.attrs.get_id(name).dtype.kind in "SO":
            with contextlib.suppress(TypeError):
                texts[name] = _text(file.attrs[name])
    return texts


@contextlib.contextmanager
def _opened(path):
    """The open HDF5 file; whatever the library says about damage becomes one WeightsError."""
    if not is_file(path):
        if is_folder(path):
            raise WeightsError(f"{path} is a folder; name the .h5 weight file itself.")
        raise WeightsNotFoundError(f"There is no weight file {path}; check the name and folder.")
    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            yield file
    except UserError:
        raise
    except _HDF5_ERRORS as error:
        raise WeightsError(_complaint(path, error)) from error


def _complaint(path, error):
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as denied:
        return f"{path} cannot be read ({denied.strerror}); check its permissions."
    if start.startswith(_HDF5_SIGNATURE):
        detail = str(error).strip("\"'").splitlines()[0]
        return f"{path} is damaged or cut short ({detail}); copy or download it again."
    kind = next((words for magic, words in _OTHER_KINDS if start.startswith(magic)), None)
    kind = kind or ("not an HDF5 file" if start else "empty")
    return f"{path} is {kind}; give a Keras 2 / Matterport .h5 weight file."


def _root(file, path):
    """The group that lists the layers, and their names."""
    names = _names(file, "layer_names")
    if names is not None:
        return file, names
    if _lists(file, "model_weights"):
        group = _member(file, "model_weights", path)
        names = _names(group, "layer_names")
        if names is not None:
            return group, names
    if _lists(file, "layers") or _lists(file, "_layer_checkpoint_dependencies"):
        raise WeightsError(
            f"{path} has the layout of Keras 3's own .weights.h5, which names no layers; "
            "save it again in Keras 2's layout (mrcnn.weights.save_weights)."
        )
    raise WeightsError(
        f"{path} is HDF5 but holds no Keras weights (no attribute layer_names); "
        "give a Keras 2 / Matterport .h5 weight file."
    )


def _lists(group, name):
    """Whether a group has a link of this name, which is not followed: it may lead anywhere."""
    return group.id.links.exists(name.encode())


def _names(group, attribute):
    """A list-of-strings attribute, joined from its pieces; None where there is none."""
    if attribute in group.attrs:
        pieces = [attribute]
    else:
        pieces = []
        while f"{attribute}{len(pieces)}" in group.attrs:
            pieces.append(f"{attribute}{len(pieces)}")
        if not pieces:
            return None
    require_little_text(group.file, [group.attrs.get_id(piece) for piece in pieces])
    parts = [group.attrs[piece] for piece in pieces]
    return [_text(name) for part in parts for name in np.atleast_1d(part)]


def _text(value):
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"a name that is no text: {value!r}")


def _member(group, name, path):
    """`group[name]`, following hard links only, so that nothing leads out of the file."""
    for part in name.strip("/").split("/"):
        links = group.id.links if isinstance(group, h5py.Group) else None
        if links is None or not links.exists(part.encode()):
            raise WeightsError(
                f"{path} is damaged: it lists {name} but does not hold it; "
                "copy or download it again."
            )
        if links.get_info(part.encode()).type != h5py.h5l.TYPE_HARD:
            raise WeightsError(
                f"{path} refers to data outside itself ({name}), which a weight file never needs; "
                "do not use it."
            )
        group = group[part]
    return group


def _dataset(group, name, path):
    dataset = _member(group, name, path)
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None or dataset.dtype.kind != "f":
        raise WeightsError(
            f"{path} is not a usable weight file: {name} is not an array of floating-point "
            "numbers; copy or download it again."
        )
    plan = dataset.id.get_create_plist()
    if plan.get_nfilters():
        raise WeightsError(
            f"{path} holds a compressed or filtered array ({name}), as no Keras writes; unpack it "
            "first (h5repack -f NONE in.h5 out.h5)."
        )
    if dataset.is_virtual or dataset.external:
        raise WeightsError(
            f"{path} refers to data outside itself ({name}), which a weight file never needs; "
            "do not use it."
        )
    return dataset


def _stored_weight(group, name, path):
    dataset = _dataset(group, name, path)
    return StoredWeight(path, f"{group.name}/{name}", tuple(int(n) for n in dataset.shape))
