"""What is written about a parsed photograph: sheet, panels, label maps, cut-outs, one JSON file.

OUTPUT/<name>.png                       the sheet
OUTPUT/<name>/parsing.json              all numbers; written last, which marks it as finished
                                        (of one stage alone: clothing.json, body.json, ...)
OUTPUT/<name>/pixel_labels.png          label maps with the classes' palette
OUTPUT/<name>/joint_labels.png
OUTPUT/<name>/superpixels.png ...       panels in full size
OUTPUT/<name>/superpixel_map.png        numbers of the superpixels, 16 bits grey
OUTPUT/<name>/objects/<title>.png       cut-outs, transparent outside
"""

from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fashion.autolabel.segments import remove_files
from fashion.json_files import read_json, write_json
from fashion.labels import MODANET_TABLE, ClassTable
from fashion.parsing.objects import ClothingObject
from fashion.parsing.parse import Parsed
from fashion.parsing.settings import STAGES
from fashion.parsing.sheet import SheetOptions, draw_panels, draw_sheet, palette
from fashion.pictures.sheets import save_png
from mrcnn.drawing.painting import LONGEST
from mrcnn.errors import DatasetError
from mrcnn.system.files import write_bytes

# The panels and label maps of each stage.
_PANELS = {
    "clothing": {"clothing"},
    "body": {"body"},
    "objects": set(),
    "superpixels": {"superpixels", "pixel level", "joint", "added by superpixels"},
}
_MAPS = {
    "clothing": {"pixel_labels"},
    "body": set(),
    "objects": {"pixel_labels"},
    "superpixels": {"pixel_labels", "joint_labels", "superpixel_map"},
}


@dataclass(frozen=True)
class OutputJob:
    """What to write, and where.

    Attributes:
        folder: OUTPUT.
        stage: one of `STAGES`.
        table: the garments' classes.
        sheet: what the panels show.
        made_with: models and settings as JSON values; one made with others counts as unfinished.
    """

    folder: Path
    stage: str = "all"
    table: ClassTable = MODANET_TABLE
    sheet: SheetOptions = field(default_factory=SheetOptions)
    made_with: dict[str, Any] = field(default_factory=dict)

    @property
    def record_name(self) -> str:
        """The file whose presence means that a photograph is finished; each stage has its own."""
        return f"{'parsing' if self.stage == 'all' else self.stage}.json"

    def record(self) -> dict[str, Any]:
        """What determines the content of the files."""
        return {"stage": self.stage, "sheet": asdict(self.sheet), **self.made_with}


def read_record(job: OutputJob, name: str) -> dict[str, Any] | None:
    """What an earlier run recorded about how it made `name`; None if a file is missing."""
    try:
        data = read_json(job.folder / name / job.record_name)
        whole = all((job.folder / file).is_file() for file in data["files"])
        return data["made_with"] if whole else None
    except (DatasetError, KeyError, TypeError, ValueError, OSError):
        return None


def write_parsed(
    job: OutputJob,
    name: str,
    parsed: Parsed,
    source: dict[str, Any] | None = None,
    made_with: dict[str, Any] | None = None,
) -> list[Path]:
    """Write all files of a photograph; each appears whole or not at all.

    Args:
        job: what to write, and where.
        name: of the photograph's files and folder.
        parsed: the result.
        source: what the record says about the photograph's file.
        made_with: what `read_record` returns later; None for `job.record()`.

    Returns:
        The paths written.

    Raises:
        UserError: a file cannot be written.
    """
    folder = job.folder / name
    remove_files(folder / job.record_name)
    stages = STAGES[:-1] if job.stage == "all" else (job.stage,)
    drawn = parsed if job.sheet.full_size else parsed.shrunk(LONGEST)
    panels = draw_panels(drawn, job.table, job.sheet)
    written: list[Path] = []
    wanted = set[str]().union(*(_PANELS[stage] for stage in stages))
    for panel in sorted(wanted & set(panels)):
        written.append(save_png(folder / f"{panel.replace(' ', '_')}.png", panels[panel]))
    for kind in sorted(set[str]().union(*(_MAPS[stage] for stage in stages))):
        written.append(_write_map(folder / f"{kind}.png", kind, parsed, job.table))
    if "objects" in stages:
        written += _write_objects(folder / "objects", parsed)
    if job.stage == "all":
        sheet = draw_sheet(drawn, panels, job.table, name)
        written.append(save_png(job.folder / f"{name}.png", sheet))
    record = _record_of(job, parsed, source or {}, [_seen(path, job.folder) for path in written])
    record["made_with"] = made_with or job.record()
    write_json(folder / job.record_name, record)
    return [*written, folder / job.record_name]


def _seen(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _write_map(path: Path, kind: str, parsed: Parsed, table: ClassTable) -> Path:
    if kind == "superpixel_map":
        image = Image.fromarray(np.minimum(parsed.superpixels, 65535).astype(np.uint16))
        return _write_image(path, image)
    labels = parsed.pixel_labels if kind == "pixel_labels" else parsed.joint_labels
    return _write_image(path, label_image(labels, table))


def label_image(labels: np.ndarray, table: ClassTable = MODANET_TABLE) -> Image.Image:
    """A label map, uint8 [H, W], as an indexed picture: values are class ids, colours the table's.

    Programs that read the indices get the labels back; viewers show the colours.
    """
    image = Image.fromarray(labels).convert("P")
    image.frombytes(np.ascontiguousarray(labels).tobytes())
    image.putpalette(palette(table).ravel().tolist())
    return image


def cut_out(parsed: Parsed, kind: str, number: int) -> np.ndarray:
    """One object as the RGBA picture of its box, uint8 [h, w, 4], transparent outside its mask.

    kind: "garment" or "person"; number: as in `ClothingObject`.
    """
    item = next(o for o in parsed.objects if (o.kind, o.number) == (kind, number))
    y1, x1, y2, x2 = item.box
    masks = (parsed.garments if kind == "garment" else parsed.persons).masks
    alpha = masks[y1:y2, x1:x2, number] * np.uint8(255)
    return np.dstack([parsed.image[y1:y2, x1:x2], alpha])


def _write_objects(folder: Path, parsed: Parsed) -> list[Path]:
    # Otherwise those of an earlier run with other settings would stay beside the new ones.
    for kind in ("garment", "person"):
        remove_files(*folder.glob(f"{kind}_[0-9][0-9]*_*.png"))
    return [
        save_png(folder / f"{o.title}.png", cut_out(parsed, o.kind, o.number))
        for o in parsed.objects
    ]


def _write_image(path: Path, image: Image.Image) -> Path:
    buffer = BytesIO()
    # Higher levels cost several times as much and save a fifth of what is little anyway.
    image.save(buffer, format="PNG", compress_level=1)
    return write_bytes(path, buffer.getvalue())


def _record_of(
    job: OutputJob, parsed: Parsed, source: dict[str, Any], files: list[str]
) -> dict[str, Any]:
    height, width = parsed.image.shape[:2]
    garments = [_with_file(o, job) for o in parsed.objects if o.kind == "garment"]
    persons = [_with_file(o, job) for o in parsed.objects if o.kind == "person"]
    return {
        "image": {**source, "height": height, "width": width},
        "garments": garments,
        "persons": persons if parsed.looked_for_persons else None,
        "labels": {
            "pixel_level": _pixel_counts(parsed.pixel_labels, job.table),
            "joint": _pixel_counts(parsed.joint_labels, job.table),
            "added_by_superpixels": int(np.count_nonzero(parsed.added)),
        },
        "superpixels": int(parsed.superpixels.max()),
        "files": files,
    }


def _with_file(item: ClothingObject, job: OutputJob) -> dict[str, Any]:
    file = {"file": f"objects/{item.title}.png"} if job.stage in ("objects", "all") else {}
    return {**item.to_json(), **file}


def _pixel_counts(labels: np.ndarray, table: ClassTable) -> dict[str, int]:
    # A pass for each class is several times faster than `bincount`, which needs 8 bytes per pixel.
    counts = {row.name: int(np.count_nonzero(labels == row.id)) for row in table}
    return {name: count for name, count in counts.items() if count}
