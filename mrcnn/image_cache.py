"""Resized images kept in memory, so that each is decoded and resized once per training."""

import threading
from collections.abc import Callable, Hashable


class ImageCache:
    """Keeps images as they are loaded until it is full, and evicts none.

    A training passes over all images again and again: replacing the oldest by the newest would
    evict exactly the image that is needed next. Thread-safe. A copy sent to another process is
    empty.

    Args:
        most_bytes: capacity in bytes of images; 0 keeps nothing.
    """

    def __init__(self, most_bytes: int):
        self.most_bytes = most_bytes
        self.bytes = 0
        self._kept: dict[Hashable, tuple] = {}
        self._lock = threading.Lock()

    def __reduce__(self):
        return ImageCache, (self.most_bytes,)

    def get(self, key: Hashable, load: Callable[[], tuple]) -> tuple:
        """What `load` returns, or returned before: a tuple whose first element is an image.

        A kept image is read-only.
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
