"""Names and places of checkpoints, as Matterport's scripts know them.

logs/fashion20240102T0304/mask_rcnn_fashion_0007.h5
"""

import datetime
import re
from dataclasses import dataclass
from pathlib import Path

from mrcnn.errors import WeightsNotFoundError

STAMP = "%Y%m%dT%H%M"
CHECKPOINT = re.compile(
    r".*[/\\][\w-]+(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})[/\\]mask_rcnn_[\w-]+(\d{4})\.h5"
)


@dataclass(frozen=True)
class LogFolder:
    """Where one training writes.

    Attributes:
        folder: `<model_dir>/<name><YYYYMMDDTHHMM>`.
        name: Config.NAME in lower case.
        epoch: epochs already done.
    """

    folder: Path
    name: str
    epoch: int

    @property
    def pattern(self) -> str:
        """Path of the checkpoints with `{epoch:04d}` in it, as Keras' ModelCheckpoint takes it."""
        return str(self.folder / f"mask_rcnn_{self.name}_{{epoch:04d}}.h5")

    def checkpoint(self, epoch: int) -> Path:
        """The checkpoint written after that many epochs."""
        return Path(self.pattern.format(epoch=epoch))


def choose_log_folder(
    model_dir: str | Path, name: str, weights_path: str | Path | None = None
) -> LogFolder:
    """The folder to log into: that of a checkpoint that training goes on from, else a new one.

    A path such as `/any/fashion20240102T0304/mask_rcnn_fashion_0007.h5` sets the epoch and the
    time stamp; the folder is looked for under `model_dir` and the present name. Any other path,
    and None, means epoch 0 and now.

    Args:
        model_dir: the folder of all logs.
        name: Config.NAME.
        weights_path: the weights that were loaded.
    """
    epoch, now = 0, datetime.datetime.now()
    match = CHECKPOINT.fullmatch(str(weights_path)) if weights_path else None
    if match:
        *date, epoch = (int(group) for group in match.groups())
        now = datetime.datetime(*date)
    return LogFolder(Path(model_dir) / f"{name.lower()}{now:{STAMP}}", name.lower(), epoch)


def find_last(model_dir: str | Path, name: str) -> Path:
    """The last checkpoint of the last training, both in the order of their names.

    Raises:
        WeightsNotFoundError: (a FileNotFoundError) there is none.
    """
    model_dir = Path(model_dir)
    prefix = name.lower()
    folders = [f for f in model_dir.iterdir() if f.is_dir()] if model_dir.is_dir() else []
    folders = sorted(f.name for f in folders if f.name.startswith(prefix))
    if not folders:
        raise WeightsNotFoundError(
            f"Could not find model directory under {model_dir}: no folder there begins with "
            f"{prefix!r}. Has a training written its first checkpoint yet?"
        )
    folder = model_dir / folders[-1]
    files = sorted(f.name for f in folder.iterdir() if f.name.startswith("mask_rcnn"))
    if not files:
        raise WeightsNotFoundError(
            f"Could not find weight files in {folder}: name another file, or delete that folder "
            f"to go on from the training before it."
        )
    return folder / files[-1]
