"""The folder of `rounds.py`: plain files, each of which appears whole or not at all.

rounds.json            photographs, stage, first weights, hold-out: fixed at the start
seasons.csv            the pictures that were given a season, as name_seasons.py reads them
corrections/           files from VIA, CVAT, Label Studio or LabelMe, put there by the user
round_01/auto.json     what the previous round's model found, with report and journal
round_01/labels.json   what is reviewed: that, and what was begun in the previous round
round_01/queue.json    its pictures, those the model is surest of first
round_01/decisions.jsonl   what people decided, see `fashion.review.decision_log`
round_01/to_correct.json   a VIA project of the pictures marked for correction
round_01/dataset/      what the round's model is trained on: train/, val/, and test/, the hold-out
round_01/logs/         its training
round_01/weights.h5    the round's model
round_01/result.json   its figures
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fashion.json_files import read_json, write_json
from fashion.stages.stage import MODANET_STAGE, SEASON_STAGE, Stage
from mrcnn.errors import DatasetError, UserError
from mrcnn.system.files import saving
from mrcnn.system.locks import lock

SETTINGS = "rounds.json"
LOCK = ".rounds.lock"
STAGES = {1: MODANET_STAGE, 2: SEASON_STAGE}


@dataclass(frozen=True)
class RoundSettings:
    """The settings fixed at the start.

    Attributes:
        images: the folder of photographs.
        stage: 1 for garments, 2 for garments with seasons.
        weights: the first model.
        pictures: how many a round proposes for review besides the hold-out.
        min_confidence: the score from which detections become labels.
        holdout: pictures on which every round's model is measured and none is trained.
        aside: near-duplicates of these, neither reviewed nor trained on.
        duplicates: groups of near-duplicates among the rest.
    """

    images: str
    stage: int
    weights: str
    pictures: int
    min_confidence: float
    holdout: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)
    duplicates: list[list[str]] = field(default_factory=list)


class Round:
    """The files of one round; `number` starts at 1."""

    def __init__(self, folder: Path, number: int):
        self.folder, self.number = folder, number
        self.auto = folder / "auto.json"
        self.labels = folder / "labels.json"
        self.queue = folder / "queue.json"
        self.to_correct = folder / "to_correct.json"
        self.dataset = folder / "dataset"
        self.logs = folder / "logs"
        self.weights = folder / "weights.h5"
        self.result = folder / "result.json"

    def log(self, part: str = "") -> Path:
        """The log of decisions, or of one person's `part` if several people review."""
        return self.folder / (f"decisions.{part}.jsonl" if part else "decisions.jsonl")

    @property
    def logs_of_decisions(self) -> list[Path]:
        """All existing logs of decisions."""
        return sorted(self.folder.glob("decisions*.jsonl"))


class RoundsFolder:
    """The folder of the rounds over one folder of photographs.

    Raises:
        DatasetError: its settings are missing or cannot be read.
    """

    def __init__(self, path: Path):
        self.path = path
        if not (path / SETTINGS).exists():
            raise DatasetError(
                "no rounds have been started in this folder",
                path=path,
                advice="begin with: rounds.py DIR start --images=PHOTOGRAPHS",
            )
        data = read_json(path / SETTINGS)
        try:
            self.settings = RoundSettings(**data)
        except TypeError:
            raise DatasetError(
                "it is from another version", path=path / SETTINGS, advice="restore it"
            ) from None

    @classmethod
    def create(cls, path: Path, settings: RoundSettings) -> "RoundsFolder":
        """Create the folder. Raises `UserError` if it cannot be written."""
        with saving(path):
            (path / "corrections").mkdir(parents=True, exist_ok=True)
        write_json(path / SETTINGS, asdict(settings), indent=1)
        return cls(path)

    @property
    def images(self) -> Path:
        """The folder of photographs."""
        return Path(self.settings.images)

    @property
    def stage(self) -> Stage:
        """The stage whose classes are labelled."""
        return STAGES[self.settings.stage]

    @property
    def seasons(self) -> Path:
        """The table of the pictures that were given a season."""
        return self.path / "seasons.csv"

    @property
    def corrections(self) -> Path:
        """Where corrected annotations are put."""
        return self.path / "corrections"

    def round(self, number: int) -> Round:
        """The files of a round."""
        return Round(self.path / f"round_{number:02d}", number)

    def rounds(self) -> list[Round]:
        """The rounds that can be reviewed, in order."""
        found: list[Round] = []
        while (one := self.round(len(found) + 1)).queue.exists():
            found.append(one)
        return found

    def current(self) -> Round:
        """The last round. Raises `UserError` if the first one is not labelled yet."""
        found = self.rounds()
        if not found:
            raise UserError(
                "its first round is not labelled yet",
                path=self.path,
                advice="resume with: rounds.py DIR start",
            )
        return found[-1]

    def weights_before(self, number: int) -> Path:
        """The model that labels round `number`, and from which its training starts."""
        return self.round(number - 1).weights if number > 1 else Path(self.settings.weights)


@contextlib.contextmanager
def at_work(path: Path) -> Iterator[None]:
    """Lock the folder for this process, which labels or trains.

    Raises `UserError` if another process does, or the folder cannot be written.
    """
    with saving(path):
        path.mkdir(parents=True, exist_ok=True)
        handle = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not lock(handle):
            raise UserError(
                "another process is labelling or training in this folder",
                path=path,
                advice="wait for it",
            )
        yield
    finally:
        os.close(handle)
