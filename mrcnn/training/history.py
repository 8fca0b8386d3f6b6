"""`history.csv`: one row of losses, average precision and speed for each training epoch.

Nothing here imports Keras or TensorFlow, so that reports can read a history quickly.
"""

import csv
import itertools
import math
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mrcnn.config import LOSS_NAMES
from mrcnn.errors import TrainingError, UserError, counted
from mrcnn.system.files import replacing, saving

HISTORY_FILE = "history.csv"
MASK_AP = "val_mask_AP"
# Column -> kind and figure of `coco_ap.average_precision`, in epochs with an evaluation.
EVALUATED = {
    MASK_AP: ("segm", "AP"),
    "val_mask_AP50": ("segm", "AP50"),
    "val_box_AP": ("bbox", "AP"),
    "val_box_AP50": ("bbox", "AP50"),
}
COLUMNS = (
    "epoch",
    "loss",
    *LOSS_NAMES,
    "val_loss",
    *(f"val_{name}" for name in LOSS_NAMES),
    "learning_rate",
    "seconds",
    "images_per_second",
    *EVALUATED,
)


def write_history(folder: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the history's rows; columns that do not apply to an epoch stay empty.

    Raises:
        TrainingError: the file cannot be written; an existing one is then untouched.
    """
    path = folder / HISTORY_FILE
    advice = "make room or make the folder writable, then resume from the last checkpoint"
    with saving(path, TrainingError, advice=advice), replacing(path, "w") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def read_history(path: Path) -> list[dict[str, float]]:
    """The rows of a table whose first line names the columns; non-numeric cells are left out.

    `epoch` is a whole number in the rows that have one.

    Raises:
        UserError: the file cannot be read as text.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            cells = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot be read ({reason})", path=path) from error
    # The key None holds a row's surplus cells.
    rows = [{k.strip(): _number(v) for k, v in row.items() if k} for row in cells]
    rows = [{k: v for k, v in row.items() if math.isfinite(v)} for row in rows]
    return [row | {"epoch": int(row["epoch"])} if "epoch" in row else row for row in rows]


def read_epochs(folder: Path, epochs: float = math.inf) -> list[dict[str, float]]:
    """The first `epochs` epochs of a log folder's history; none if it cannot be read."""
    try:
        rows = read_history(folder / HISTORY_FILE)
    except UserError:
        return []
    return [row for row in rows if "epoch" in row and row["epoch"] <= epochs]


def resumed_epochs(folder: Path, epochs: int) -> list[dict[str, float]]:
    """The first `epochs` epochs of the history of a training run that is resumed.

    The next epoch overwrites the file, so a file that lacks epochs is first set aside.

    Raises:
        TrainingError: it cannot be set aside.
    """
    rows = read_epochs(folder, epochs)
    path = folder / HISTORY_FILE
    if path.exists() and len(rows) < epochs:
        names = (folder / f"history.damaged{number}.csv" for number in itertools.count(1))
        kept = next(name for name in names if not name.exists())
        with saving(kept, TrainingError, advice="make room or make the folder writable"):
            shutil.copyfile(path, kept)
        print(f"{path} has {len(rows)} of {counted(epochs, 'epoch')}; it is kept as {kept.name}.")
    return rows


def _number(cell: str | None) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        return math.nan
