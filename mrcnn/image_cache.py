"""Resized images kept in memory, so that each is decoded and resized once a training."""

import threading
from collections.abc import Callable, Hashable
from typing import TypeVar

Kept = TypeVar("Kept", bound=tuple)


class ImageCache:
    """Keeps what was loaded until it is full; then what came first stays.

    A training passes over all images again and again: throwing out the oldest for the newest would
    leave nothing that is wanted next. May be used from several threads. A copy that is sent to
    another process is empty.

    Args:
        most_bytes: how much is kept, in bytes of images; 0 keeps nothing.
    """

    def __init__(self, most_bytes: int):
        self.most_bytes = most_bytes
        self.bytes = 0
        self._kept: dict[Hashable, tuple] = {}
        self._lock = threading.Lock()

    def __reduce__(self):
        return ImageCache, (self.most_bytes,)

    def get(self, key: Hashable, load: Callable[[], Kept]) -> Kept:
        """What `load` gives, or gave before: a tuple whose first element is an image.

        A kept image cannot be written to.
        """
        if not self.most_bytes:
            return load()
        if (found := self._kept.get(key)) is not None:
            return found
        image, *others = load()
        with self._lock:
            if key in self._kept or self.bytes + image.nbytes > self.most_bytes:
                return image, *others
            image = image.view()
            image.flags.writeable = False
            self._kept[key] = image, *others
            self.bytes += image.nbytes
        return self._kept[key]
