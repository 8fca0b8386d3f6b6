"""The results of a run of the pipeline, gathered from its folder for the page.

Any of them may be missing, since a run may have stopped, or have had fewer steps.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fashion.annotations.locating import IMAGE_SUFFIXES
from fashion.autolabel.arguments import ANNOTATIONS
from fashion.autolabel.report import report_path
from fashion.json_files import read_json
from fashion.pictures.comparing import SHEET
from fashion.pipeline.engine import read_steps
from mrcnn.errors import DatasetError
from mrcnn.training.history import read_epochs


@dataclass
class StepResult:
    """A step on the page: `status` is one of `fashion.pipeline.engine`'s, or "" if it never ran."""

    name: str
    title: str
    status: str = ""
    seconds: float = 0.0
    commands: list[str] = field(default_factory=list)


@dataclass
class StageResult:
    """One model.

    Attributes:
        history: a dictionary of numbers for each epoch, as in `history.csv`.
        figures: what tools/evaluate.py wrote; empty if it did not run.
        pictures: drawn detections.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    pictures: list[Path] = field(default_factory=list)


@dataclass
class RunResults:
    """Everything that the page shows.

    Attributes:
        folder: of the run.
        steps: in their order.
        stages: the two models.
        labels: totals of the labelling run's report.
        quality: what tools/compare_labels.py wrote.
        label_pictures: photographs with their automatic labels.
        worst_labels: the worst automatic labels beside the truth.
        compared: both models' detections side by side.
        parsed: clothing parsing.
        drawn: whether the run drew its own pictures.
        by_truth: whether model 2 was measured by the truth, not by automatic labels.
    """

    folder: Path
    steps: list[StepResult] = field(default_factory=list)
    stages: tuple[StageResult, StageResult] = field(
        default_factory=lambda: (StageResult(), StageResult())
    )
    labels: dict[str, Any] = field(default_factory=dict)
    quality: dict[str, Any] = field(default_factory=dict)
    label_pictures: list[Path] = field(default_factory=list)
    worst_labels: list[Path] = field(default_factory=list)
    compared: list[Path] = field(default_factory=list)
    parsed: list[Path] = field(default_factory=list)
    drawn: bool = False
    by_truth: bool = False

    @property
    def seconds(self) -> float:
        """The time that all steps took."""
        return sum(step.seconds for step in self.steps)

    def step(self, name: str) -> StepResult | None:
        """A step by its name."""
        return next((step for step in self.steps if step.name == name), None)


def gather_results(folder: Path, titles: Iterable[tuple[str, str]]) -> RunResults:
    """Read the results of a run.

    folder: of the run. titles: name and title of each step, in their order. Raises `UserError` for
    a damaged state file; results that cannot be read count as missing.
    """
    state = read_steps(folder)
    results = RunResults(folder)
    for name, title in titles:
        record = state.get(name, {})
        results.steps.append(
            StepResult(
                name,
                title,
                str(record.get("status", "")),
                float(record.get("seconds", 0)),
                [str(command) for command in record.get("commands", [])],
            )
        )
    results.stages = (_stage(folder / "stage1"), _stage(folder / "stage2"))
    labels, quality = folder / "labels", folder / "label_quality"
    results.labels = _json(report_path(labels / ANNOTATIONS)).get("totals", {})
    results.quality = _json(quality / "quality.json")
    results.label_pictures = _pictures(labels / "pictures")
    results.worst_labels = [p for p in _pictures(quality) if p.stem.startswith("worst_")]
    results.compared = _pictures(folder / "compared")
    results.parsed = _pictures(folder / "parsed")
    results.drawn = (folder / "data").is_dir()
    results.by_truth = (folder / "stage2" / "truth").is_dir()
    return results


def _stage(folder: Path) -> StageResult:
    logs = sorted((folder / "logs").glob("*/history.csv"))
    return StageResult(
        history=read_epochs(logs[-1].parent) if logs else [],
        figures=_json(folder / "evaluation.json"),
        pictures=_pictures(folder / "pictures"),
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        data = read_json(path)
    except DatasetError:
        return {}
    return data if isinstance(data, dict) else {}


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    suffixes = IMAGE_SUFFIXES
    found = [p for p in folder.iterdir() if p.suffix.lower() in suffixes and p.name != SHEET]
    return sorted(p for p in found if p.is_file())
