"""Names and locations of checkpoints, as Matterport's scripts expect them.

logs/fashion20240102T0304/mask_rcnn_fashion_0007.h5
"""

import contextlib
import datetime
import glob
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mrcnn.errors import WeightsError, WeightsNotFoundError
from mrcnn.system.files import saving
from mrcnn.weights.h5_reading import read_layers

STAMP = "%Y%m%dT%H%M"
# Config.NAME may be any text, or empty.
CHECKPOINT = re.compile(
    r".*[/\\]([^/\\]*)(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})[/\\]mask_rcnn_[^/\\]+(\d{4})\.h5"
)


@dataclass(frozen=True)
class LogFolder:
    """Where one training run writes.

    Attributes:
        folder: `<model_dir>/<name><YYYYMMDDTHHMM>`.
        name: Config.NAME in lower case.
        epoch: number of completed epochs.
    """

    folder: Path
    name: str
    epoch: int

    @property
    def pattern(self) -> str:
        """Path of the checkpoints with `{epoch:04d}`, as Keras' ModelCheckpoint expects it."""
        stem = str(self.folder / f"mask_rcnn_{self.name}_")
        return stem.replace("{", "{{").replace("}", "}}") + "{epoch:04d}.h5"

    def checkpoint(self, epoch: int) -> Path:
        """The checkpoint written after that many epochs."""
        return self.folder / f"mask_rcnn_{self.name}_{epoch:04d}.h5"

    def checkpoints(self) -> list[Path]:
        """The existing checkpoints, sorted by name."""
        pattern = f"mask_rcnn_{glob.escape(self.name)}_*.h5"
        return sorted(self.folder.glob(pattern))


def choose_log_folder(
    model_dir: str | Path, name: str, weights_path: str | Path | None = None
) -> LogFolder:
    """The folder to log into: that of the checkpoint that training resumes from, else a new one.

    A path such as `/any/fashion20240102T0304/mask_rcnn_fashion_0007.h5` sets the epoch and the
    timestamp; the folder is looked up by `model_dir` and the current name. Any other path, or
    None, means epoch 0 and a new folder. Its timestamp is now, or the minute after the newest
    folder if that is later: two runs started in the same minute do not share a folder, and after
    the clock has been set back the last run is still the last by name.

    Args:
        model_dir: the folder of all logs.
        name: Config.NAME.
        weights_path: the weights that were loaded.
    """
    model_dir, name, epoch = Path(model_dir), name.lower(), 0
    match = CHECKPOINT.fullmatch(str(weights_path)) if weights_path else None
    if match and (match[1] or not name):
        year, month, day, hour, minute, epoch = (int(group) for group in match.groups()[1:])
        time = datetime.datetime(year, month, day, hour, minute)
    else:
        time = _time_of_new_folder(model_dir, name)
    return LogFolder(model_dir / f"{name}{time:{STAMP}}", name, epoch)


def _time_of_new_folder(model_dir: Path, name: str) -> datetime.datetime:
    now = datetime.datetime.now().replace(second=0, microsecond=0)
    return max([now, *_minutes_after(model_dir, name)])


def _minutes_after(model_dir: Path, name: str) -> Iterator[datetime.datetime]:
    """The minute after each log folder of `name`."""
    for path in model_dir.iterdir() if model_dir.is_dir() else ():
        if (time := _time_of(path.name, name)) is not None:
            with contextlib.suppress(OverflowError):  # the last representable minute
                yield time + datetime.timedelta(minutes=1)


def _time_of(folder: str, name: str) -> datetime.datetime | None:
    """The time in the name of a log folder of `name`; None for any other folder's name."""
    stamp = folder.removeprefix(name)
    if not folder.startswith(name) or not re.fullmatch(r"\d{8}T\d{4}", stamp, re.ASCII):
        return None
    try:
        return datetime.datetime.strptime(stamp, STAMP)
    except ValueError:  # the 31st of February
        return None


def find_last(model_dir: str | Path, name: str) -> Path:
    """The last checkpoint of the last training run, both by name.

    Raises:
        WeightsNotFoundError: (a FileNotFoundError) there is none.
    """
    return _last_training(model_dir, name)[-1]


def find_last_readable(model_dir: str | Path, name: str) -> tuple[Path, list[Path]]:
    """The last readable checkpoint of the last training run, and the damaged ones after it.

    Raises:
        WeightsNotFoundError: (a FileNotFoundError) there is none.
        WeightsError: none of them can be read.
    """
    checkpoints = _last_training(model_dir, name)
    damaged = []
    while checkpoints and not is_readable(checkpoints[-1]):
        damaged.append(checkpoints.pop())
    if not checkpoints:
        read_layers(damaged[0])  # raises the error of the last one
    return checkpoints[-1], damaged


def readable_before(path: str | Path) -> Path | None:
    """The last intact checkpoint of the same training run before a damaged one, or None."""
    path = Path(path)
    own = re.fullmatch(r"(mask_rcnn_.*_)\d{4,}\.h5", path.name)
    if own is None or not path.is_file() or is_readable(path):
        return None
    pattern = f"{glob.escape(own[1])}[0-9][0-9][0-9][0-9]*.h5"
    earlier = sorted(p for p in path.parent.glob(pattern) if p.name < path.name)
    return next((p for p in reversed(earlier) if is_readable(p)), None)


def advice_about(path: str | Path) -> str | None:
    """What to load instead of weights that cannot be read; None if nothing better is known."""
    if len(str(path)) == 1:  # a script from 2018 that uses find_last()[1]
        return "take model.find_last() as it is: it is the path, no longer a pair"
    earlier = readable_before(path)
    return None if earlier is None else f"take the checkpoint before it, which is whole: {earlier}"


def is_readable(path: Path) -> bool:
    """Whether a weight file is complete and lists its layers; its values are not checked."""
    try:
        read_layers(path)
    except WeightsError:
        return False
    return True


def set_aside(path: Path) -> Path:
    """Rename a damaged checkpoint so that it is not mistaken for a good one; return its new path.

    Raises:
        WeightsError: its folder cannot be written.
    """
    advice = "make its folder writable, or name an earlier checkpoint"
    with saving(path, WeightsError, problem="is damaged and cannot be renamed", advice=advice):
        return path.replace(path.with_name(f"damaged_{path.name}"))


def _last_training(model_dir: str | Path, name: str) -> list[Path]:
    """The checkpoints of the last training run, sorted by name; at least one."""
    model_dir = Path(model_dir)
    prefix = name.lower()
    found = [f for f in model_dir.iterdir() if f.is_dir()] if model_dir.is_dir() else []
    # The folders of `fashionista` start with `fashion`, too.
    folders = sorted(f.name for f in found if _time_of(f.name, prefix) is not None)
    if not folders:
        raise WeightsNotFoundError(
            # The first words are Matterport's.
            f"Could not find model directory under {model_dir}: no folder there begins with "
            f"{prefix!r} and ends with a time such as 20240102T0304",
            advice="wait for a training's first checkpoint, or name another folder",
        )
    folder = model_dir / folders[-1]
    files = sorted(f.name for f in folder.iterdir() if f.name.startswith("mask_rcnn"))
    if not files:
        raise WeightsNotFoundError(
            f"Could not find weight files in {folder}",
            advice="name another file, or delete the folder to resume the training before it",
        )
    return [folder / file for file in files]
