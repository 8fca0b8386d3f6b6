"""What a run was asked for: its pictures, drawn or the user's, its folders, how long it trains."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from fashion import REPOSITORY
from fashion.annotations.locating import ANNOTATION_FILE, IMAGE_SUFFIXES
from fashion.autolabel.arguments import ANNOTATIONS
from fashion.stages.stage import MODANET_STAGE, SEASON_STAGE
from mrcnn.errors import DatasetError

TRUTH_FILE = "custom_truth.json"
LAYOUT = (
    "modanet/ (a COCO file and its images, or train/ and val/ with "
    f"{ANNOTATION_FILE}) and custom/ (photographs named <garment>_<season>_<anything>)"
)


@dataclass(frozen=True)
class Sources:
    """The pictures of a run.

    Attributes:
        garments: folder of the pictures with garments, for stage 1.
        custom: folder of photographs named <garment>_<season>_<anything>, for stage 2.
        annotations: COCO file of `garments`; None if `dataset` is given.
        truth: VIA or COCO file of what `custom` really shows; None if that is unknown.
        dataset: a folder with train/ and val/ to train on as it is.
        held_back: its subset to test on.
        drawn: whether the demo draws all of it.
    """

    garments: Path
    custom: Path
    annotations: Path | None = None
    truth: Path | None = None
    dataset: Path | None = None
    held_back: str = "test"
    drawn: bool = False


def demo_sources(folder: Path) -> Sources:
    """The pictures that the demo draws into `folder`."""
    garments = folder / "modanet"
    return Sources(
        garments,
        folder / "custom",
        annotations=garments / "instances.json",
        truth=folder / TRUTH_FILE,
        drawn=True,
    )


def find_sources(folder: Path) -> Sources:
    """The pictures in a user's folder.

    Raises `DatasetError` for what is missing.
    """
    garments, custom, truth = folder / "modanet", folder / "custom", folder / TRUTH_FILE
    for part in (folder, garments, custom):
        if not part.is_dir():
            raise DatasetError("there is no such folder", path=part, expected=LAYOUT)
    if not any(path.suffix.lower() in IMAGE_SUFFIXES for path in custom.iterdir()):
        raise DatasetError("there is no photograph in it", path=custom, expected=LAYOUT)
    known = truth if truth.is_file() else None
    if (garments / "train").is_dir() and (garments / "val").is_dir():
        held_back = "test" if (garments / "test").is_dir() else "val"
        return Sources(garments, custom, None, known, dataset=garments, held_back=held_back)
    files = sorted(f for f in garments.glob("*.json") if not f.name.endswith(".report.json"))
    if len(files) != 1:
        raise DatasetError(
            "it must hold one annotation file",
            path=garments,
            expected=LAYOUT,
            found=", ".join(path.name for path in files) or "no JSON file",
        )
    images = garments / "images"
    return Sources(images if images.is_dir() else garments, custom, files[0], known)


@dataclass(frozen=True)
class Training:
    """How long and at which rate a stage trains; None leaves it to the preset.

    falling: whether the rate falls to zero along a cosine; it stays the same otherwise.
    repeat_rare: as for `--repeat-rare`.
    """

    epochs: int | None = None
    steps: int | None = None
    learning_rate: float | None = None
    falling: bool = False
    repeat_rare: float | None = None


@dataclass(frozen=True)
class RunPlan:
    """A run of the pipeline.

    Attributes:
        work: the folder it writes into.
        page: the HTML page.
        sources: where its pictures come from.
        preset: of both trainings; None leaves it to the scripts.
        start: what model 1 starts from (`--model`); None leaves it to the preset.
        train_images, custom_images: number of pictures to draw for the demo.
        stage1, stage2: how long to train.
        label_arguments: further options of the labelling script.
        seed: of drawing, splitting and training.
    """

    work: Path
    page: Path
    sources: Sources
    preset: str | None = None
    start: str | None = None
    train_images: int = 0
    custom_images: int = 0
    stage1: Training = field(default_factory=Training)
    stage2: Training = field(default_factory=Training)
    label_arguments: tuple[str, ...] = ()
    seed: int = 1

    @property
    def all_garments(self) -> bool:
        """Whether every garment in a picture is labelled, not only the one in its name."""
        return "--all-garments" in self.label_arguments

    @property
    def weights1(self) -> Path:
        """Stage 1's trained weights."""
        return self.work / "stage1" / MODANET_STAGE.weights

    @property
    def weights2(self) -> Path:
        """Stage 2's trained weights."""
        return self.work / "stage2" / SEASON_STAGE.weights

    @property
    def labels(self) -> Path:
        """The file of the automatic labels."""
        return self.work / "labels" / ANNOTATIONS

    @property
    def season_images(self) -> Path:
        """The custom photographs that are held back from stage 2's training."""
        return self.work / "stage2" / "images"


def shown(path: Path) -> str:
    """A path as the commands show it: relative to the project if it is inside."""
    path = Path(os.path.normpath(path.absolute()))
    return (path.relative_to(REPOSITORY) if path.is_relative_to(REPOSITORY) else path).as_posix()


def interpreter() -> str:
    """The running Python, as a user in the project's folder would type it."""
    return shown(Path(sys.executable)) or "python3"
