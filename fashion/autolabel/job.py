"""What a labelling run is asked to do, and how its pictures become batches with detections.

Batches are cut at fixed places of the list of pictures, whatever is done already, since a
detector's last digits may depend on what else is in a batch. So an interrupted run gives the same
bytes as one that was not, however many processes worked on it.
"""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fashion.autolabel.journal import LabelJournal
from fashion.autolabel.pictures import Picture, PictureList, stem_finder
from fashion.autolabel.policy import LabelPolicy, LeftOut, Subject
from fashion.autolabel.regions import LEAST_AREA
from fashion.pictures.listing import file_stamp
from fashion.pictures.remote import RemotePicture, read_remote
from mrcnn.errors import DatasetError
from mrcnn.images.reading import read_image

# Takes uint8 RGB images of any sizes, and returns what `MaskRCNN.detect` does.
Detector = Callable[[list[np.ndarray]], Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class LabelJob:
    """What to label, how, and where to.

    Attributes:
        images: the pictures, in the order of the final files; all of one folder.
        class_names: of the detector, by class id; id 0 is the background.
        policy: which detections become labels.
        tolerance, minimum_area: of the outlines, see `fashion.polygons.tracing.mask_to_polygons`.
        batch: pictures that the detector gets at once.
        segments: folder for a cut-out of every labelled garment; None makes none.
        segments_alpha: cut-outs as PNG with transparency too.
        previews: folder for pictures with the labels drawn on them; None makes none.
        model: whatever distinguishes the detector from others, as JSON values.
        readers: threads that read pictures, in each process that has a model.
    """

    images: Sequence[Path | RemotePicture]
    class_names: Sequence[str]
    policy: LabelPolicy = field(default_factory=LabelPolicy)
    tolerance: float | None = None
    minimum_area: float = LEAST_AREA
    batch: int = 1
    segments: Path | None = None
    segments_alpha: bool = False
    previews: Path | None = None
    model: dict[str, Any] = field(default_factory=dict)
    readers: int = 2

    def settings(self, base: Path) -> dict[str, Any]:
        """All that determines what is written, as JSON values; folders relative to `base`."""
        return {
            **self.model,
            **self.policy.to_json(),
            "tolerance": self.tolerance,
            "minimum_area": self.minimum_area,
            "batch": self.batch,
            "segments": self.segments and _seen_from(base, self.segments),
            "segments_alpha": self.segments_alpha,
            "previews": self.previews and _seen_from(base, self.previews),
            "classes": list(self.class_names[1:]),
        }


def _seen_from(base: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(folder, base)).as_posix()
    except ValueError:  # another drive
        return folder.absolute().as_posix()


class Seen(NamedTuple):
    """A picture, uint8 RGB [height, width, 3], with its detections."""

    image: np.ndarray
    result: Mapping[str, Any]


def survey(job: LabelJob, journal: LabelJournal) -> PictureList:
    """All pictures of a job, in order, and which of them the journal holds already."""
    pictures = PictureList(job.images, job.policy)
    for path in job.images:
        stamp = file_stamp(path)
        pictures.add(stamp, journal.holds(path.name, stamp))
    return pictures


def drawn_stems(job: LabelJob) -> Callable[[Path | RemotePicture], str]:
    """How the names of a picture's cut-outs and preview begin; "" if none are wanted."""
    if not (job.segments or job.previews):
        return lambda path: ""
    return stem_finder(job.images)


def unfinished_batches(job: LabelJob, pictures: Iterable[Picture]) -> Iterator[list[Picture]]:
    """The batches in which a picture is not done, whole: finished pictures are detected again."""
    wanted = (picture for picture in pictures if isinstance(picture.subject, Subject))
    batches = iter(lambda: list(itertools.islice(wanted, job.batch)), [])
    return (batch for batch in batches if not all(picture.done for picture in batch))


def read_picture(picture: Picture) -> np.ndarray | LeftOut:
    """A picture, uint8 RGB [height, width, 3], or why it cannot be read.

    Raises `UserError` if a remote store does not answer, see `read_remote`.
    """
    path = picture.path
    try:
        return read_remote(path) if isinstance(path, RemotePicture) else read_image(path)
    except DatasetError as error:
        # The report must not depend on where the folder is.
        return LeftOut("unreadable", error.replace(path=path.name).sentence())


def detected(detect: Detector, images: Sequence[np.ndarray | LeftOut]) -> list[Seen | LeftOut]:
    """The detections of a batch, in its order; pictures that could not be read stay as they are."""
    readable = [image for image in images if not isinstance(image, LeftOut)]
    results = iter(detect(readable) if readable else ())
    return [image if isinstance(image, LeftOut) else Seen(image, next(results)) for image in images]
