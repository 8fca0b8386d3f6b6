"""Labelling a folder of photographs with a detector: resumable to the image.

    photograph -> detections -> choice by name -> outlines -> journal -> final files

Pictures are read ahead and results written behind the detector, so that memory does not grow with
their number. Each finished image is a line of the journal; the final files are made of it when the
last image is done. Batches are cut at fixed places of the list of images, whatever is done already:
a detector's last digits may depend on what else is in a batch, and so a run that was interrupted
gives the same bytes as one that was not, as does one that many processes work at (`label_crew`).
"""

import itertools
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fashion.label_journal import LabelJournal
from fashion.label_pictures import Picture, PictureList, file_stamp, stem_finder
from fashion.label_policy import Choice, LabelPolicy, Subject, choose
from fashion.label_regions import LEAST_AREA, instance_regions, regions_mask, via_entry
from fashion.labels import class_colour
from fashion.listing import read_or_error
from fashion.segments import remove_files, write_segments
from fashion.write_behind import WriteBehind
from mrcnn.errors import UserError
from mrcnn.read_ahead import read_ahead

Detector = Callable[[list[np.ndarray]], Sequence[dict[str, Any]]]


@dataclass(frozen=True)
class LabelJob:
    """What to label, how, and where to.

    Attributes:
        images: the pictures, in the order of the final files; all of one folder.
        class_names: of the detector, by class id; id 0 is the background.
        policy: which detections become labels.
        tolerance, minimum_area: of the outlines, see `fashion.tracing.mask_to_polygons`.
        batch: pictures that the detector gets at once.
        segments: folder for a cut-out of every labelled garment; None makes none.
        segments_alpha: cut-outs as PNG with transparency too.
        previews: folder for pictures with the labels drawn on them; None makes none.
        model: whatever tells the detector from others, as JSON values.
        readers: threads that read pictures, of each process that has a model.
    """

    images: Sequence[Path]
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
        """All that decides what is written, as JSON values; folders as seen from `base`."""
        return {
            **self.model,
            **asdict(self.policy),
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


def survey(job: LabelJob, journal: LabelJournal) -> PictureList:
    """All pictures of a job, in order, and which of them the journal holds already."""
    pictures = PictureList(job.images, job.policy)
    for path in job.images:
        stamp = file_stamp(path)
        pictures.add(stamp, journal.holds(path.name, stamp))
    return pictures


def label_pictures(
    job: LabelJob,
    pictures: Sequence[Picture],
    detect: Detector,
    journal: LabelJournal,
    *,
    stop: threading.Event | None = None,
    progress: Callable[[], object] = lambda: None,
) -> bool:
    """Label all `pictures` that are not done, into `journal`; False when `stop` was set meanwhile.

    detect: takes uint8 RGB images of any sizes and gives what `MaskRCNN.detect` does. `progress` is
    called once a finished image, in a thread. After `stop` the batch at hand is finished. What
    `detect` raises is passed on; what was finished stays in the journal.
    """
    stop = stop or threading.Event()
    recorder, stem_of = Recorder(job), drawn_stems(job)

    def write(item: tuple[Picture, np.ndarray | str | None, dict | None]) -> None:
        picture, image, result = item
        journal.append(recorder.record(picture, stem_of(picture.path), image, result))
        progress()

    with WriteBehind(write, room=job.batch) as writer:
        for picture in pictures:
            if not picture.done and not isinstance(picture.subject, Subject):
                writer.put((picture, None, None))
        for batch in _read_batches(job, pictures):
            if stop.is_set():
                return False
            for item in detected(detect, batch):
                if not item[0].done:
                    writer.put(item)
    return True


def drawn_stems(job: LabelJob) -> Callable[[Path], str]:
    """What the files with cut-outs and preview of a picture begin with, if there are to be any."""
    if not (job.segments or job.previews):
        return lambda path: ""
    return stem_finder(job.images)


def unfinished_batches(job: LabelJob, pictures: Iterable[Picture]) -> Iterator[list[Picture]]:
    """The batches that hold something to do, whole: what is done in them is detected again."""
    wanted = (picture for picture in pictures if isinstance(picture.subject, Subject))
    batches = iter(lambda: list(itertools.islice(wanted, job.batch)), [])
    return (batch for batch in batches if not all(picture.done for picture in batch))


def detected(
    detect: Detector, batch: Sequence[tuple[Picture, np.ndarray | str]]
) -> Iterator[tuple[Picture, np.ndarray | str, dict | None]]:
    """A batch that was read, and the detections of those that are images."""
    readable = [image for _, image in batch if isinstance(image, np.ndarray)]
    results = iter(detect(readable) if readable else ())
    for picture, image in batch:
        yield picture, image, next(results) if isinstance(image, np.ndarray) else None


def _read_batches(
    job: LabelJob, pictures: Sequence[Picture]
) -> Iterator[list[tuple[Picture, np.ndarray | str]]]:
    """The batches that hold something to do, as pairs of a picture and its image.

    Where a picture cannot be read, the sentence about it stands for the image.
    """
    in_batches = (
        (picture, index == len(batch) - 1)
        for batch in unfinished_batches(job, pictures)
        for index, picture in enumerate(batch)
    )
    collected = []
    # While the detector has a batch, the next one is read.
    ahead = job.batch + job.readers
    for (picture, last), image in read_ahead(_read, in_batches, job.readers, ahead):
        collected.append((picture, image))
        if last:
            yield collected
            collected = []


def _read(item: tuple[Picture, bool]) -> np.ndarray | str:
    return read_picture(item[0])


def read_picture(picture: Picture) -> np.ndarray | str:
    """A picture, uint8 RGB [height, width, 3], or the sentence that says why it cannot be read."""
    image = read_or_error(picture.path)
    # The report must not depend on where the folder is.
    name = picture.path.name
    return str(image.replace(path=name)) if isinstance(image, UserError) else image


class Recorder:
    """Makes the journal's record of an image of its detections, and the pictures asked for."""

    def __init__(self, job: LabelJob):
        self.job = job

    def record(
        self, picture: Picture, stem: str, image: np.ndarray | str | None, result: dict | None
    ) -> dict[str, Any]:
        """The line of the journal for one picture.

        stem: see `drawn_stems`. image: None where the name tells too little, a sentence where the
        file cannot be read. result: its detections.
        """
        if isinstance(image, np.ndarray):
            record = self._labelled(picture, stem, image, result)
        else:
            why, text = ("unreadable", image) if image else picture.subject
            record = {"entry": None, "report": {"status": "left out", "why": why, "detail": text}}
            self._draw(stem, None, [], [])
        return {"file": picture.path.name, "stamp": picture.stamp, **record}

    def _labelled(
        self, picture: Picture, stem: str, image: np.ndarray, result: dict
    ) -> dict[str, Any]:
        job = self.job
        choice = choose(result, job.class_names, picture.subject, job.policy)
        garments: list[list[dict[str, Any]]] = []
        for pick in choice.picks:
            mask = np.asarray(result["masks"][..., pick.index], dtype=bool)
            regions = instance_regions(
                mask,
                pick,
                len(garments) + 1,
                tolerance=job.tolerance,
                minimum_area=job.minimum_area,
            )
            garments += [regions] if regions else []
        if job.segments or job.previews:
            masks = [regions_mask(regions, *image.shape[:2]) for regions in garments]
            self._draw(stem, image, garments, masks)
        flat = [region for regions in garments for region in regions]
        size = picture.stamp[0] if picture.stamp else -1
        return {
            "entry": via_entry(picture.path.name, size, image.shape, flat),
            "report": _report(picture.subject, choice, garments, result, job),
        }

    def _draw(self, stem: str, image, garments, masks) -> None:
        """Write the cut-outs and the preview; without labels remove those of an earlier run."""
        job = self.job
        if job.segments:
            write_segments(job.segments, stem, image, masks, alpha=job.segments_alpha)
        if job.previews and image is None:
            remove_files(job.previews / f"{stem}.png")
        elif job.previews:
            _save_preview(job.previews / f"{stem}.png", image, garments, masks)


def _save_preview(path: Path, image: np.ndarray, garments, masks) -> None:
    from fashion.report import save_png
    from mrcnn.boxes import extract_bboxes
    from mrcnn.drawing import draw_detections

    attributes = [regions[0]["region_attributes"] for regions in garments]
    stacked = np.stack(masks, axis=-1) if masks else np.zeros((*image.shape[:2], 0), dtype=bool)
    codes = np.array([int(a["fashion"]) for a in attributes], dtype=np.int32)
    result = {"rois": extract_bboxes(stacked), "class_ids": codes, "masks": stacked}
    captions = [f"{a['label']} {float(a['score']):.2f}" for a in attributes]
    colours = {int(code): class_colour(int(code)) for code in codes}
    save_png(path, draw_detections(image, result, {}, colours, captions=captions))


def _report(
    subject: Subject, choice: Choice, garments: list, result: dict, job: LabelJob
) -> dict[str, Any]:
    """What the report file tells of an image."""
    why = choice.why if choice.why or garments else "too small"
    found: dict[str, list[float]] = {}
    for class_id, score in zip(result["class_ids"], result["scores"], strict=True):
        found.setdefault(str(job.class_names[int(class_id)]), []).append(round(float(score), 4))
    report = {
        "status": "labelled" if garments else "left out",
        "why": why,
        "garment": subject.garment or "any",
        "season": subject.season,
        "instances": len(garments),
        "regions": sum(len(regions) for regions in garments),
        "labels": [regions[0]["region_attributes"]["label"] for regions in garments],
        "scores": [float(regions[0]["region_attributes"]["score"]) for regions in garments],
        "found": found,
        "uncertain": [round(score, 4) for score in choice.uncertain],
        "uncoded": choice.uncoded,
        "too_small": len(choice.picks) - len(garments),
        "fallback": choice.note,
    }
    always = ("status", "garment", "season", "instances", "found")
    return {name: value for name, value in report.items() if value or name in always}
