"""What is wrong with annotations: one problem, many of them, and the text that lists them."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import overload

from mrcnn.errors import DatasetError, counted, printable

KEPT = 1000


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: the image's file name, the region (from 1; None: the whole image).

    A region named here was left out. `label` is its label if that is not in the class table.
    """

    file: str
    region: int | None
    reason: str
    label: str | None = None

    def __str__(self) -> str:
        where = self.file if self.region is None else f"{self.file}, region {self.region}"
        return printable(f"{where}: {self.reason}")


class ProblemLog:
    """Used in place of a list of `Problem`: counts all, keeps the first `KEPT` to be shown."""

    def __init__(self, problems: Iterable[Problem] = ()) -> None:
        self._kept: list[Problem] = []
        self._count = 0
        self += problems

    def append(self, problem: Problem, /) -> None:
        """Add one."""
        self._count += 1
        if len(self._kept) < KEPT:
            self._kept.append(problem)

    def __iadd__(self, problems: Iterable[Problem], /) -> "ProblemLog":
        before = self._count
        for problem in problems:
            self.append(problem)
        if isinstance(problems, ProblemLog):
            self._count = before + len(problems)
        return self

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Problem]:
        return iter(list(self._kept))

    @overload
    def __getitem__(self, index: int, /) -> Problem: ...

    @overload
    def __getitem__(self, index: slice, /) -> list[Problem]: ...

    def __getitem__(self, index: int | slice, /) -> Problem | list[Problem]:
        return self._kept[index]


Problems = list[Problem] | ProblemLog


def problem_text(problems: Problems, limit: int = 5) -> str:
    """Text that follows a line of totals: how many `problems` there are, and the first `limit`."""
    if not problems:
        return ""
    lines = [f"; {counted(len(problems), 'problem')}:"]
    lines += [f"  {problem}" for problem in problems[:limit]]
    if len(problems) > limit:
        lines.append(f"  and {len(problems) - limit} more")
    return "\n".join(lines)


def stop_at_first(
    problems: Problems, path: str | os.PathLike[str], advice: str | None = None
) -> None:
    """Raise `DatasetError` for the first of the `problems` of `path`, if there is any."""
    if problems:
        raise DatasetError(str(problems[0]), path=path, advice=advice)
