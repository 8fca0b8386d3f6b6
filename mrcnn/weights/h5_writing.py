"""Weight files in Keras 2's HDF5 layout, written whole or not at all; see
`mrcnn.weights.h5_reading`."""

import io
import os
from collections.abc import Iterable, Mapping
from typing import Any

import h5py
import numpy as np

from mrcnn.errors import WeightsError
from mrcnn.system.files import replacing, saving

# Readers convert only what version 1 wrote; any 2.x means "no conversion". The layout was verified
# against files of this version.
KERAS_VERSION = "2.13.1"
BACKEND = "tensorflow"
ATTRIBUTE_LIMIT = 64512

Layers = Iterable[tuple[str, Iterable[tuple[str, np.ndarray]]]]


def write_layers(
    path: str | os.PathLike,
    layers: Layers,
    notes: Mapping[str, str] | None = None,
    half: bool = False,
) -> None:
    """Write (layer name, [(weight name, array), ...]) pairs as float32 in Keras 2's layout.

    The file appears at `path` complete or not at all (an existing one is replaced); equal values
    give equal bytes. The attributes are fixed-length byte strings, which every Keras 2 reads with
    both h5py 2 and 3.

    Args:
        path: the file.
        layers: may be a generator: only one array is in memory at a time.
        notes: additional root attributes, which Keras ignores.
        half: write float16 instead, in half the bytes. Keras and `h5_reading.read_arrays` read the
            values back as float32, rounded to 11 significant bits. Arrays with a value too large
            for float16 (above 65504, such as a variance) stay float32.

    Raises:
        WeightsError: the folder is missing or not writable, or the disk is full; an existing file
            is then untouched.
    """
    with (
        saving(path, WeightsError, advice="choose a folder that can be written to and has room"),
        replacing(os.path.realpath(path), "wb+") as stream,
    ):
        sink = _Sink(stream)
        with h5py.File(sink, "w") as file:
            _write_groups(file, layers, sink, half)
            for name, text in (notes or {}).items():
                file.attrs[name] = np.bytes_(text.encode())
        sink.raise_error()


class _Sink(io.RawIOBase):
    """A file for h5py whose writes never raise.

    The HDF5 library crashes the process when it cannot flush its buffers (observed on a full disk
    with HDF5 1.14). So the first error is kept, later writes are dropped, and the caller asks for
    the error once HDF5 has closed the file.
    """

    def __init__(self, raw: Any):
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

    def readinto(self, buffer: Any) -> int:
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
        """Raise the first write error, if there was one."""
        if self.error:
            raise self.error


def _write_groups(file: h5py.File, layers: Layers, sink: _Sink, half: bool) -> None:
    names = []
    for name, weights in layers:
        names.append(name)
        group = file.create_group(name)
        weight_names = []
        for weight_name, values in weights:
            weight_names.append(weight_name)
            values = np.asarray(values, dtype=np.float32)
            if half and np.abs(values).max(initial=0) <= np.finfo(np.float16).max:
                values = values.astype(np.float16)
            group.create_dataset(weight_name, data=values, track_times=False)
            if sink.error:
                return
        _write_names(group, "weight_names", weight_names)
    _write_names(file, "layer_names", names)
    file.attrs["backend"] = np.bytes_(BACKEND)
    file.attrs["keras_version"] = np.bytes_(KERAS_VERSION)


def _write_names(group: h5py.Group, attribute: str, names: list[str]) -> None:
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
