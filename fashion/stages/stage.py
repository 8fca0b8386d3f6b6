"""A stage of the pipeline: its name, folders and classes; argument types that commands share."""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fashion import REPOSITORY
from fashion.labels import MODANET_TABLE, SEASON_TABLE, ClassTable
from mrcnn.system.files import saving


@dataclass(frozen=True)
class Stage:
    """One stage of the pipeline.

    Attributes:
        name: Config.NAME: part of the log folder and of the checkpoints' names.
        folder: `model1` or `model2`.
        table: its classes.
        weights: name of the weight file in `folder` that testing and labelling use by default.
    """

    name: str
    folder: Path
    table: ClassTable
    weights: str

    @property
    def images(self) -> Path:
        """Pictures to test on."""
        return self.folder / "images"

    @property
    def outputs(self) -> Path:
        """Where pictures with detections are written."""
        return self.folder / "outputs"

    @property
    def logs(self) -> Path:
        """Where trainings write."""
        return self.folder / "logs"

    @property
    def dataset(self) -> Path:
        """The default training data."""
        return self.folder / "samples" / "custom" / "dataset"

    @property
    def class_names(self) -> list[str]:
        """Class names by class id, the background first."""
        return ["background", *self.table.names]


MODANET_STAGE = Stage("modanet", REPOSITORY / "model1", MODANET_TABLE, "mask_rcnn_Modanet.h5")
SEASON_STAGE = Stage("season", REPOSITORY / "model2", SEASON_TABLE, "mask_rcnn_Season.h5")


def whole(least: int) -> Callable[[str], int]:
    """An argparse type: a whole number of at least `least`."""

    def parse(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is less than {least}")
        return value

    parse.__name__ = "whole number"
    return parse


def fraction(text: str) -> float:
    """An argparse type: a number from 0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def part(text: str) -> tuple[int, int]:
    """An argparse type: "2/3" is the second of three parts."""
    number, _, count = text.partition("/")
    if not 1 <= int(number) <= int(count):
        raise argparse.ArgumentTypeError(f"{text} is not a part such as 1/2")
    return int(number), int(count)


def positive(text: str) -> float:
    """An argparse type: a number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def writable_folder(folder: Path, setting: str) -> Path:
    """The folder, created if need be, after a test that files can be written there.

    Args:
        folder: where output goes.
        setting: the argument that chooses it, for the error.

    Raises:
        UserError: it cannot be created or written to.
    """
    problem, advice = "nothing can be written to this folder", f"choose another with {{{setting}}}"
    with saving(folder, problem=problem, advice=advice, settings=(setting,)):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"probe")
            probe.flush()
    return folder
