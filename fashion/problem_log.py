"""Problems of files that have more of them than are to be kept."""

from collections.abc import Iterable, Iterator

from fashion.via_read import Problem

KEPT = 1000


class ProblemLog:
    """Takes the place of a list of `Problem`: counts all, keeps the first `KEPT` to be shown."""

    def __init__(self, problems: Iterable[Problem] = ()) -> None:
        self._kept: list[Problem] = []
        self._count = 0
        self += problems

    def append(self, problem: Problem) -> None:
        """Add one."""
        self._count += 1
        if len(self._kept) < KEPT:
            self._kept.append(problem)

    def __iadd__(self, problems: "Iterable[Problem] | ProblemLog") -> "ProblemLog":
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

    def __getitem__(self, index: int | slice) -> Problem | list[Problem]:
        return self._kept[index]
