"""Where a run's pictures come from: drawn for the demo, or a folder of the user's."""

from dataclasses import dataclass
from pathlib import Path

from fashion.locating import ANNOTATION_FILE, IMAGE_SUFFIXES
from mrcnn.errors import DatasetError

TRUTH_FILE = "custom_truth.json"
LAYOUT = (
    "expected modanet/ (a COCO file and its images, or train/ and val/ with "
    f"{ANNOTATION_FILE}) and custom/ (photographs named <garment>_<season>_<anything>)"
)


@dataclass(frozen=True)
class Sources:
    """The pictures of a run.

    Attributes:
        garments: folder of the pictures with garments, for stage 1.
        custom: folder of photographs named <garment>_<season>_<anything>, for stage 2.
        annotations: COCO file of `garments`; None where `dataset` is given.
        truth: VIA or COCO file of what `custom` really shows; None where nobody knows.
        dataset: a folder with train/ and val/ that is trained on as it stands.
        held_back: its subset to test on.
        drawn: whether the demo draws all this.
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
    """The pictures in a folder of the user's.

    Raises `DatasetError` that says what is missing.
    """
    garments, custom, truth = folder / "modanet", folder / "custom", folder / TRUTH_FILE
    for part in (folder, garments, custom):
        if not part.is_dir():
            raise DatasetError(f"The folder {part} does not exist: {LAYOUT}.")
    if not any(path.suffix.lower() in IMAGE_SUFFIXES for path in custom.iterdir()):
        raise DatasetError(f"There is no photograph in {custom}: {LAYOUT}.")
    known = truth if truth.is_file() else None
    if (garments / "train").is_dir() and (garments / "val").is_dir():
        held_back = "test" if (garments / "test").is_dir() else "val"
        return Sources(garments, custom, None, known, dataset=garments, held_back=held_back)
    files = sorted(f for f in garments.glob("*.json") if not f.name.endswith(".report.json"))
    if len(files) != 1:
        names = ", ".join(path.name for path in files) or "no JSON file"
        raise DatasetError(f"{garments} has {names}: {LAYOUT}.")
    images = garments / "images"
    return Sources(images if images.is_dir() else garments, custom, files[0], known)
