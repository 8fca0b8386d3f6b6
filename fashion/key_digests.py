"""Repeated keys, found among more keys than should be kept in memory."""

import hashlib
from array import array

import numpy as np


class KeyDigests:
    """Keeps 16 bytes a key instead of the key; repeated keys are found at the end.

    Among a billion keys, two different ones are taken for one with a chance of 1 in 10 ** 20.
    """

    def __init__(self) -> None:
        self._words = array("Q")

    def add(self, key: str) -> None:
        """Record a key."""
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        self._words.frombytes(digest)

    def first_repeated(self) -> tuple[int, int] | None:
        """The numbers, from 0, of two equal keys; None when all differ."""
        words = np.frombuffer(self._words, dtype=np.uint64).reshape(-1, 2)
        order = np.lexsort((words[:, 1], words[:, 0]))  # stable: the earlier first
        ordered = words[order]
        alike = np.flatnonzero((ordered[1:] == ordered[:-1]).all(axis=1))
        if not len(alike):
            return None
        place = alike[np.argmin(order[alike + 1])]
        return int(order[place]), int(order[place + 1])
