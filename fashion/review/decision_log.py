"""Decisions about labels as they are made: a text file of JSON lines that only grows.

The first line names the annotation file; every other line is one decision:

    {"image": "bag_1.jpg", "key": "2", "verdict": "accept", "label": "bag_kis", "time": 17645228.2}

`key` is the instance's (`fashion.review.page.instance_key`), `WHOLE` for the whole picture, or
`SEASON`, whose `label` is the picture's season where its labels are garments alone.
`verdict` is accept, reject, outline (the outline is wrong) or "" (undecided again); `label` is
there where the class was changed. Of several decisions about one label the latest counts, so that
the logs of several people merge in any order. A line is on the disk before it is acknowledged, and
a partial line, which a killed process leaves, is dropped.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fashion.json_files import check_text
from mrcnn.errors import DatasetError
from mrcnn.system.files import saving
from mrcnn.system.locks import lock

FORMAT = "label decision log"
VERDICTS = ("accept", "reject", "outline", "")
WHOLE = "*"
SEASON = "*season"


@dataclass(frozen=True)
class Decision:
    """One decision about one label; see the module's docstring. `time`: seconds since 1970."""

    image: str
    key: str
    verdict: str
    time: float = 0.0
    label: str = ""

    def to_json(self) -> dict[str, Any]:
        """The line of the log."""
        line = {"image": self.image, "key": self.key, "verdict": self.verdict}
        return {**line, **({"label": self.label} if self.label else {}), "time": self.time}


def decision_of(value: Any) -> Decision:
    """A decision from JSON. Raises `ValueError` with the reason."""
    if not isinstance(value, dict):
        raise ValueError("a decision is an object")
    texts = [value.get("image"), value.get("key"), value.get("verdict"), value.get("label", "")]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("image, key, verdict and label are texts")
    check_text(texts)
    image, key, verdict, label = texts
    if verdict not in VERDICTS:
        raise ValueError(f"the verdict {verdict!r} is none of {', '.join(VERDICTS[:-1])}")
    time = value.get("time", 0.0)
    if isinstance(time, bool) or not isinstance(time, int | float):
        raise ValueError("the time is a number of seconds")
    return Decision(str(image), str(key), verdict, float(time), str(label))


def latest(decisions: Iterable[Decision]) -> dict[tuple[str, str], Decision]:
    """The decision that counts for each image and key; of equal times the later one in order."""
    found: dict[tuple[str, str], Decision] = {}
    for decision in decisions:
        former = found.get((decision.image, decision.key))
        if former is None or decision.time >= former.time:
            found[decision.image, decision.key] = decision
    return found


class DecisionLog:
    """The open log of one annotation file; no other process can open it meanwhile.

    Args:
        path: the file; made when it is not there.
        annotations, sha256: name and digest of the annotation file that is looked at.

    Raises:
        DatasetError: it cannot be written, is damaged or not a log, is about another state of the
            annotations, or is open in another process.
    """

    def __init__(self, path: Path, annotations: str, sha256: str):
        self.path = path
        self.decisions: list[Decision] = []
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
            self._file = os.open(path, flags, 0o666)
        try:
            self._open({"format": FORMAT, "annotations": annotations, "sha256": sha256})
        except BaseException:
            self.close()
            raise

    def _open(self, head: dict[str, str]) -> None:
        if not lock(self._file):
            raise DatasetError(
                "another process has these decisions open",
                path=self.path,
                advice="end it, or review another part with another --decisions",
            )
        former, self.decisions, self._end = _read(self.path)
        with self._explained():
            os.ftruncate(self._file, self._end)
            if not former:
                self._write([head])
        if former and former["sha256"] != head["sha256"]:
            raise DatasetError(
                f"it was made for another version of {former['annotations']}",
                path=self.path,
                advice="move it away, or review the file that it was made for",
            )

    def _explained(self) -> AbstractContextManager[None]:
        advice = "make room or make the folder writable"
        return saving(
            self.path, DatasetError, problem="the decisions cannot be written", advice=advice
        )

    def append(self, decisions: Sequence[Decision]) -> None:
        """Add decisions; they are on the disk afterwards, or none is.

        Raises `OSError` if the disk is full or gone.
        """
        try:
            self._write([decision.to_json() for decision in decisions])
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._end)
            raise
        self.decisions += decisions

    def _write(self, lines: Sequence[dict[str, Any]]) -> None:
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        view = memoryview(text.encode())
        end = self._end + len(view)
        os.lseek(self._file, self._end, os.SEEK_SET)
        while view:
            view = view[os.write(self._file, view) :]
        os.fsync(self._file)
        self._end = end

    def close(self) -> None:
        """Release the file for others."""
        os.close(self._file)

    def __enter__(self) -> "DecisionLog":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def read_log(path: Path) -> tuple[dict[str, str], list[Decision]]:
    """What a log was made for, `annotations` and `sha256`, and its decisions in their order.

    Raises `DatasetError` for a file that is missing, damaged, or not a log.
    """
    if not path.is_file():
        raise DatasetError("it does not exist", path=path, advice="check the path")
    head, decisions, _ = _read(path)
    if not head:
        raise DatasetError("it is empty", path=path)
    return head, decisions


def is_log(path: Path) -> bool:
    """Whether a file begins as a log does."""
    try:
        with path.open("rb") as stream:
            return FORMAT.encode() in stream.readline(4096)
    except OSError:
        return False


def _read(path: Path) -> tuple[dict[str, str], list[Decision], int]:
    """First line (empty in a new file), decisions, and the byte where the last whole line ends."""
    head: dict[str, str] = {}
    decisions: list[Decision] = []
    end = 0
    for number, line in enumerate(_whole_lines(path), 1):
        try:
            value = json.loads(line)
            if number == 1:
                head = _head(value)
            else:
                decisions.append(decision_of(value))
        except (ValueError, RecursionError) as error:
            raise DatasetError(
                f"line {number} cannot be used ({error})",
                path=path,
                advice="restore the file, or move it away",
            ) from None
        end += len(line)
    return head, decisions, end


def _whole_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        yield from (line for line in stream if line.endswith(b"\n"))


def _head(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ValueError("it is not a log of decisions")
    return {name: str(value.get(name, "")) for name in ("annotations", "sha256")}
