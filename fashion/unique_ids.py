"""Unique ids, for more entries than a set should hold."""

from typing import Any

_BITS = 256  # ids in one number of the map


class UniqueIds:
    """Gives the wanted id where it is free, else the next free number, from 1.

    Whole numbers are kept as bits, so that a million of them, near each other, take 0.4 MB.
    """

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._others: set[Any] = set()
        self._next = 1

    def take(self, wanted: Any) -> Any:
        """An id that no earlier call has given: `wanted` itself if it can be one and is free."""
        if wanted is None or isinstance(wanted, list | dict) or wanted in self:
            while self._next in self:
                self._next += 1
            wanted = self._next
        number = _whole(wanted)
        if number is None:
            self._others.add(wanted)
        else:
            block, bit = divmod(number, _BITS)
            self._numbers[block] = self._numbers.get(block, 0) | 1 << bit
        return wanted

    def __contains__(self, identity: Any) -> bool:
        number = _whole(identity)
        if number is None:
            return identity in self._others
        block, bit = divmod(number, _BITS)
        return bool(self._numbers.get(block, 0) >> bit & 1)


def _whole(identity: Any) -> int | None:
    """The whole number that an id equals, None for any other."""
    if isinstance(identity, float):
        return int(identity) if identity.is_integer() else None
    return int(identity) if isinstance(identity, int) else None
