"""The final files of a labelling run, made from its journal: annotations, report, printed summary.

All files are streamed, so that any number of images fits, and appear whole or not at all.
"""

import contextlib
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from fashion.autolabel.journal import JournalError, LabelJournal
from fashion.autolabel.policy import REASONS
from fashion.streams.shards import shards_of
from fashion.streams.via_writing import ViaStreamWriter
from fashion.terminal import text_table
from mrcnn.errors import UserError, counted
from mrcnn.system.files import replacing, saving

SHOWN = 5


@dataclass
class LabelSummary:
    """Totals of a labelling run.

    Attributes:
        images: number of pictures that are finished.
        labelled: those with at least one label.
        instances, regions: numbers of labels and of their polygons and holes.
        left_out: images without a label, by a key of `REASONS`.
        examples: the first few of them, by the same key.
        labels: instances of each label.
        score_sums, least_scores: of each label.
        label_images: images of each label.
        fallbacks: images labelled by a fallback.
        uncertain: detections of the garment below the confidence.
        uncoded: detections of classes without a code.
        too_small: detections without an outline.
        left: pictures still to be labelled, because the run was stopped.
        stopped_by: what stopped it, else "".
        files: the final files that were written: annotations, or their shards, and the report.
    """

    images: int = 0
    labelled: int = 0
    instances: int = 0
    regions: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    labels: Counter[str] = field(default_factory=Counter)
    score_sums: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    least_scores: dict[str, float] = field(default_factory=dict)
    label_images: Counter[str] = field(default_factory=Counter)
    fallbacks: int = 0
    uncertain: int = 0
    uncoded: int = 0
    too_small: int = 0
    left: int = 0
    stopped_by: str = ""
    files: list[Path] = field(default_factory=list)

    def add(self, name: str, report: dict[str, Any]) -> None:
        """Count one image's report."""
        self.images += 1
        self.uncertain += len(report.get("uncertain", ()))
        self.uncoded += report.get("uncoded", 0)
        self.too_small += report.get("too_small", 0)
        if report["status"] != "labelled":
            self.left_out[report["why"]] += 1
            if len(self.examples[report["why"]]) < SHOWN:
                self.examples[report["why"]].append(name)
            return
        self.labelled += 1
        self.instances += report["instances"]
        self.regions += report["regions"]
        self.fallbacks += "fallback" in report
        self.label_images.update(set(report["labels"]))
        for label, score in zip(report["labels"], report["scores"], strict=True):
            self.labels[label] += 1
            self.score_sums[label] += score
            self.least_scores[label] = min(score, self.least_scores.get(label, score))

    def totals(self) -> dict[str, Any]:
        """The totals as JSON values."""
        labels = {
            label: {
                "images": self.label_images[label],
                "instances": count,
                "mean_score": round(self.score_sums[label] / count, 4),
                "least_score": self.least_scores[label],
            }
            for label, count in sorted(self.labels.items())
        }
        return {
            "images": self.images,
            "labelled": self.labelled,
            "instances": self.instances,
            "regions": self.regions,
            "left_out": {why: self.left_out[why] for why in REASONS if self.left_out[why]},
            "labelled_by_fallback": self.fallbacks,
            "uncertain_detections": self.uncertain,
            "detections_without_code": self.uncoded,
            "detections_too_small": self.too_small,
            "labels": labels,
        }

    def text(self) -> str:
        """The totals for a terminal."""
        totals = self.totals()
        rows = [
            [label, str(row["images"]), str(row["instances"]), f"{row['mean_score']:.3f}"]
            for label, row in totals["labels"].items()
        ]
        table = text_table(["label", "images", "instances", "mean score"], rows) if rows else ""
        lines = [
            f"{self.labelled} of {counted(self.images, 'image')} labelled: "
            f"{counted(self.instances, 'instance')} in {counted(self.regions, 'region')}"
        ]
        for why, count in totals["left_out"].items():
            names = ", ".join(self.examples[why]) + (", ..." if count > SHOWN else "")
            lines.append(f"left out: {count}, {REASONS[why]} ({names})")
        if self.fallbacks:
            lines.append(f"labelled by the fallback: {counted(self.fallbacks, 'image')}")
        if self.left:
            lines.append(
                f"Stopped by {self.stopped_by} with {counted(self.left, 'image')} to go: the same "
                f"command, without --restart, resumes from here."
            )
        return "\n".join([table, *lines] if table else lines)


def report_path(output: Path) -> Path:
    """The report beside an annotation file."""
    return output.with_name(f"{output.stem}.report.json")


def journal_path(output: Path) -> Path:
    """The journal beside an annotation file."""
    return output.with_name(f"{output.stem}.journal.jsonl")


def annotation_paths(output: Path) -> list[Path]:
    """The annotation files that exist: the single one, and shards."""
    return [*([output] if output.exists() else []), *shards_of(output)]


def write_files(
    output: Path,
    journal: LabelJournal,
    names: Sequence[str],
    *,
    keep_empty: bool = False,
    left: int = 0,
    stopped_by: str = "",
    shard_size: int | None = None,
) -> LabelSummary:
    """Write the annotations and the report of the images `names`, in their order.

    Images without a label are not in the annotations, unless `keep_empty`; images that were not
    read, because of their name or because they could not be, never are. left: how many images are
    missing because `stopped_by` ended the run; the report then says that it is partial. The journal
    notes what was written. shard_size: annotations in files of this many images, see
    `fashion.streams.shards`. Raises `UserError` when a file cannot be written; the former one is
    then untouched.
    """
    summary = LabelSummary(left=left, stopped_by=stopped_by)
    report = report_path(output)
    with _explained(output, journal, len(names)):
        output.parent.stat()  # raises if the folder has gone since the checks before the run
        with ViaStreamWriter(
            output,
            shard_size=shard_size,
            lines=True,
            ready=lambda path, digest: journal.note_written(path.name, digest),
        ) as writer:
            for record in journal.records(names):
                summary.add(record["file"], record["report"])
                entry = record["entry"]
                if entry is not None and (entry["regions"] or keep_empty):
                    writer.add(f"{entry['filename']}{entry['size']}", entry)
    partial = {"images_left": left, "stopped_by": stopped_by}
    head = {
        "settings": journal.settings,
        **({"partial": partial} if left else {}),
        "totals": summary.totals(),
    }
    reports = ((record["file"], record["report"]) for record in journal.records(names))
    with _explained(report, journal, len(names)), replacing(report, "w") as stream:
        hashing = _HashingStream(stream)
        _write_report(hashing, head, reports)
        journal.note_written(report.name, hashing.digest.hexdigest())
    summary.files = [*writer.paths, report]
    return summary


@contextlib.contextmanager
def _explained(path: Path, journal: LabelJournal, count: int) -> Iterator[None]:
    """Say in an error in writing `path` where the labels are."""
    advice = (
        f"no label is lost: those of {counted(count, 'image')} are in {journal.path}; make room, "
        f"and run the same command again"
    )
    try:
        with saving(path):
            yield
    except JournalError:
        raise
    except UserError as error:
        raise error.replace(advice=advice) from error


class _HashingStream:
    """A text stream that knows the sha256 of what was written to it."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def write(self, text: str) -> None:
        """Write `text`."""
        self.digest.update(text.encode())
        self._stream.write(text)


def _write_object(stream: _HashingStream, items: Iterator[tuple[str, Any]]) -> None:
    """A JSON object with one member per line."""
    stream.write("{")
    for number, (name, value) in enumerate(items):
        stream.write(",\n" if number else "\n")
        stream.write(f"{_json(name)}: {_json(value)}")
    stream.write("\n}\n")


def _write_report(stream: _HashingStream, head: dict, reports: Iterator[tuple[str, Any]]) -> None:
    stream.write("{\n")
    for name, value in head.items():
        stream.write(f"{_json(name)}: {json.dumps(value, indent=1, ensure_ascii=False)},\n")
    stream.write('"images": ')
    _write_object(stream, reports)
    stream.write("}\n")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
