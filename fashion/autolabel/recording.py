"""The journal's record of a labelled picture, and the drawings made of it."""

from pathlib import Path
from typing import Any

import numpy as np

from fashion.autolabel.job import LabelJob, Seen
from fashion.autolabel.pictures import Picture
from fashion.autolabel.policy import Choice, LeftOut, Subject, choose
from fashion.autolabel.regions import instance_regions, regions_mask, via_entry
from fashion.autolabel.segments import remove_files, remove_segments, write_segments
from mrcnn.drawing.palette import class_colour

Garment = list[dict[str, Any]]  # the VIA regions of one instance


class Recorder:
    """Makes records of what was seen on pictures, and writes the drawings that a job asks for."""

    def __init__(self, job: LabelJob):
        self._job = job

    def record(self, picture: Picture, stem: str, seen: Seen | LeftOut) -> dict[str, Any]:
        """The line of the journal for one picture: `file`, `stamp`, `entry` and `report`.

        stem: how the names of its drawings begin, see `drawn_stems`. `entry` is its VIA entry, None
        if nothing was seen. Raises `UserError` if a drawing cannot be written.
        """
        if isinstance(seen, LeftOut) or isinstance(picture.subject, LeftOut):
            why = seen if isinstance(seen, LeftOut) else picture.subject
            report = {"status": "left out", "why": why[0], "detail": why[1]}
            self._remove_drawings(stem)
            return _line(picture, None, report)
        garments, choice = self._garments(picture.subject, seen)
        self._draw(stem, seen.image, garments)
        size = picture.stamp[0] if picture.stamp else -1
        regions = [region for garment in garments for region in garment]
        entry = via_entry(picture.path.name, size, seen.image.shape, regions)
        return _line(picture, entry, self._report(picture.subject, choice, garments, seen))

    def _garments(self, subject: Subject, seen: Seen) -> tuple[list[Garment], Choice]:
        """The outlines of the detections that become labels."""
        job, garments = self._job, list[Garment]()
        choice = choose(seen.result, job.class_names, subject, job.policy)
        for pick in choice.picks:
            regions = instance_regions(
                np.asarray(seen.result["masks"][..., pick.index], dtype=bool),
                pick,
                len(garments) + 1,
                tolerance=job.tolerance,
                minimum_area=job.minimum_area,
            )
            garments += [regions] if regions else []
        return garments, choice

    def _draw(self, stem: str, image: np.ndarray, garments: list[Garment]) -> None:
        job = self._job
        if not (job.segments or job.previews):
            return
        masks = [regions_mask(regions, *image.shape[:2]) for regions in garments]
        if job.segments:
            write_segments(job.segments, stem, image, masks, alpha=job.segments_alpha)
        if job.previews:
            _save_preview(job.previews / f"{stem}.png", image, garments, masks)

    def _remove_drawings(self, stem: str) -> None:
        """Remove what an earlier run drew of a picture that no longer has labels."""
        if self._job.segments:
            remove_segments(self._job.segments, stem)
        if self._job.previews:
            remove_files(self._job.previews / f"{stem}.png")

    def _report(
        self, subject: Subject, choice: Choice, garments: list[Garment], seen: Seen
    ) -> dict[str, Any]:
        """What the report file says about a picture."""
        why = choice.why if choice.why or garments else "too small"
        first = [garment[0]["region_attributes"] for garment in garments]
        report = {
            "status": "labelled" if garments else "left out",
            "why": why,
            "garment": subject.garment or "any",
            "season": subject.season,
            "instances": len(garments),
            "regions": sum(map(len, garments)),
            "labels": [attributes["label"] for attributes in first],
            "scores": [float(attributes["score"]) for attributes in first],
            "found": self._found(seen),
            "uncertain": [round(score, 4) for score in choice.uncertain],
            "uncoded": choice.uncoded,
            "too_small": len(choice.picks) - len(garments),
            "fallback": choice.note,
        }
        always = ("status", "garment", "season", "instances", "found")
        return {name: value for name, value in report.items() if value or name in always}

    def _found(self, seen: Seen) -> dict[str, list[float]]:
        """The scores of all detections by class name."""
        found: dict[str, list[float]] = {}
        for class_id, score in zip(seen.result["class_ids"], seen.result["scores"], strict=True):
            name = str(self._job.class_names[int(class_id)])
            found.setdefault(name, []).append(round(float(score), 4))
        return found


def _line(picture: Picture, entry: dict | None, report: dict) -> dict[str, Any]:
    return {"file": picture.path.name, "stamp": picture.stamp, "entry": entry, "report": report}


def _save_preview(
    path: Path, image: np.ndarray, garments: list[Garment], masks: list[np.ndarray]
) -> None:
    from fashion.pictures.sheets import save_png
    from mrcnn.drawing.painting import draw_detections
    from mrcnn.geometry.boxes import extract_bboxes

    attributes = [regions[0]["region_attributes"] for regions in garments]
    stacked = np.stack(masks, axis=-1) if masks else np.zeros((*image.shape[:2], 0), dtype=bool)
    codes = np.array([int(a["fashion"]) for a in attributes], dtype=np.int32)
    result = {"rois": extract_bboxes(stacked), "class_ids": codes, "masks": stacked}
    captions = [f"{a['label']} {float(a['score']):.2f}" for a in attributes]
    colours = {int(code): class_colour(int(code)) for code in codes}
    save_png(path, draw_detections(image, result, {}, colours, captions=captions))
