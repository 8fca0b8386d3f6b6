"""The workshop behind the parsing page: decodes photographs, detects, parses, packs results.

It knows nothing of HTTP. Uploads are read by `mrcnn.images.reading.read_image`, stay in memory, and
are dropped when others follow.
"""

import secrets
import tempfile
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from fashion.html.page import thumbnail
from fashion.labels import MODANET_TABLE, ClassTable
from fashion.parsing.files import OutputJob, write_parsed
from fashion.parsing.models import Detect
from fashion.parsing.objects import ClothingObject
from fashion.parsing.parse import Parsed, ParsingSettings, parse
from fashion.parsing.sheet import SheetOptions, draw_panels
from mrcnn.drawing.painting import draw_labels
from mrcnn.errors import DatasetError
from mrcnn.images.reading import read_image
from mrcnn.system.files import saving

THUMBNAIL = 112  # pixels, shown at half the size
KEPT = 4  # photographs in memory
LARGEST_UPLOAD = 30 * 2**20  # bytes
LARGEST_SETTINGS = 2**14
MOST_PIXELS = 60_000_000
LONGEST_SIDE = 1600  # pixels; larger photographs are shrunk to this before anything else
LEAST_CONFIDENCE = 0.3  # of detections; the page's slider begins here


class Limit(NamedTuple):
    """The values that a slider of the page may have."""

    least: float
    most: float
    step: float


LIMITS = {
    "segments": Limit(100, 3000, 50),
    "compactness": Limit(1, 60, 1),
    "confidence": Limit(LEAST_CONFIDENCE, 0.95, 0.05),
}


@dataclass(frozen=True)
class ParsedPhotograph:
    """A photograph as it was parsed last.

    Attributes:
        settings: what it was parsed with.
        parsed: the result.
        panels: pictures of the steps by title, uint8 RGB [H, W, 3].
    """

    settings: ParsingSettings
    parsed: Parsed
    panels: Mapping[str, np.ndarray]


@dataclass
class Photograph:
    """One upload: its pixels and what was found on it.

    Attributes:
        image: uint8 RGB [H, W, 3].
        garments: as `MaskRCNN.detect` gives them.
        persons: likewise; None if persons are not detected.
        shrunk_from: width and height in pixels, where the upload was larger.
        result: None until it is parsed.
    """

    image: np.ndarray
    garments: Mapping[str, np.ndarray]
    persons: Mapping[str, np.ndarray] | None
    shrunk_from: tuple[int, int] | None = None
    result: ParsedPhotograph | None = None


class Workshop:
    """Detects and parses, one photograph at a time, and keeps the last few.

    Args:
        clothing: the detector of garments, see `fashion.parsing.models`.
        body: the detector of persons, if any.
        settings: what the page begins with.
        table: the garments' classes.
    """

    def __init__(
        self,
        clothing: Detect,
        body: Detect | None = None,
        settings: ParsingSettings | None = None,
        table: ClassTable = MODANET_TABLE,
    ) -> None:
        self.clothing, self.body, self.table = clothing, body, table
        self.settings = settings or ParsingSettings()
        self._photographs: OrderedDict[str, Photograph] = OrderedDict()
        self._lock = threading.Lock()

    def take_in(self, data: bytes) -> tuple[str, Photograph]:
        """Decode an uploaded file and detect on it; return the token that names it from now on.

        Raises:
            DatasetError: it is not an image that can be read.
            UserError: there is no room for it on the disk.
        """
        with self._lock:  # decoding too: it may take a gigabyte of memory
            image, shrunk_from = _decode(data)
            persons = self.body(image) if self.body else None
            photograph = Photograph(image, self.clothing(image), persons, shrunk_from)
            token = secrets.token_urlsafe(16)
            self._photographs[token] = photograph
            while len(self._photographs) > KEPT:
                self._photographs.popitem(last=False)
        return token, photograph

    def find(self, token: str) -> Photograph:
        """A photograph by its token; `KeyError` if it was never kept or has been dropped."""
        return self._photographs[token]

    def parse(self, photograph: Photograph, values: Mapping[str, float]) -> ParsedPhotograph:
        """Parse with values of `LIMITS`; those that are missing are what the page began with."""
        confidence = values.get("confidence", self.settings.minimum_confidence)
        settings = replace(
            self.settings,
            minimum_confidence=confidence,
            segments=int(values.get("segments", self.settings.segments)),
            compactness=float(values.get("compactness", self.settings.compactness)),
        )
        with self._lock:
            parsed = parse(
                photograph.image, photograph.garments, photograph.persons, settings, self.table
            )
            result = ParsedPhotograph(settings, parsed, _panels(parsed, self.table))
            photograph.result = result
        return result


def _decode(data: bytes) -> tuple[np.ndarray, tuple[int, int] | None]:
    """An uploaded file as uint8 RGB [H, W, 3], and its width and height if it was shrunk."""
    try:
        with (
            saving(
                tempfile.gettempdir(),
                problem="the upload cannot be stored",
                advice="make room there",
            ),
            tempfile.TemporaryDirectory(prefix="parsing_") as folder,
        ):
            path = Path(folder, "upload")
            path.write_bytes(data)
            image = read_image(path, MOST_PIXELS)
    except DatasetError as error:
        raise error.replace(path="The upload") from None
    height, width = image.shape[:2]
    factor = LONGEST_SIDE / max(height, width)
    if factor >= 1:
        return image, None
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), (width, height)


def _panels(parsed: Parsed, table: ClassTable) -> dict[str, np.ndarray]:
    """All panels, with what the superpixels added at the end."""
    panels = draw_panels(parsed, table)
    if "joint" in panels:
        panels["joint"] = _named(panels["joint"], parsed, table)
    added = draw_panels(parsed, table, SheetOptions(added_only=True))
    return panels | {title: added[title] for title in added if title not in panels}


def _named(panel: np.ndarray, parsed: Parsed, table: ClassTable) -> np.ndarray:
    """The panel, uint8 RGB [H, W, 3], with the name of each garment at its box."""
    garments = [o for o in parsed.objects if o.kind == "garment"]
    boxes = np.array([o.box for o in garments], np.int32).reshape(-1, 4)
    colours = [table.colour_of(o.class_id) for o in garments]
    return draw_labels(panel, boxes, [o.name for o in garments], colours)


def _garment_thumbnail(parsed: Parsed, item: ClothingObject) -> str:
    """The garment's part of the photograph as the address of a small JPEG."""
    y1, x1, y2, x2 = item.box
    return thumbnail(parsed.image[y1:y2, x1:x2], THUMBNAIL)[0]


def read_values(data: Any) -> dict[str, float]:
    """The settings in a request, by their names in `LIMITS`.

    Raises:
        DatasetError: `data` is not an object, or a value is outside its limits.
    """
    if not isinstance(data, dict):
        raise DatasetError("the settings must be a JSON object")
    values = {}
    for name, limit in LIMITS.items():
        value = data.get(name)
        if value is None:
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not limit.least <= value <= limit.most:
            raise DatasetError(f"{name} must be a number from {limit.least:g} to {limit.most:g}")
        values[name] = value
    return values


def result_json(result: ParsedPhotograph, table: ClassTable) -> dict[str, Any]:
    """What the page shows beside the pictures of a parsed photograph, as JSON values."""
    parsed = result.parsed
    before = np.bincount(parsed.pixel_labels.ravel(), minlength=256) / parsed.pixel_labels.size
    after = np.bincount(parsed.joint_labels.ravel(), minlength=256) / parsed.joint_labels.size
    labels = [
        {
            "name": row.name,
            "colour": "#{:02x}{:02x}{:02x}".format(*row.colour),
            "before": round(100 * float(before[row.id]), 2),
            "after": round(100 * float(after[row.id]), 2),
        }
        for row in table
        if before[row.id] or after[row.id]
    ]
    garments = [
        {
            "name": o.name,
            "score": round(o.score, 3),
            "colour": o.colour and o.colour.name,
            "thumbnail": _garment_thumbnail(parsed, o),
        }
        for o in parsed.objects
        if o.kind == "garment"
    ]
    return {
        "panels": list(result.panels),
        "labels": labels,
        "garments": garments,
        "persons": len(parsed.persons),
        "superpixels": int(np.count_nonzero(np.bincount(parsed.superpixels.ravel())[1:])),
    }


def result_zip(result: ParsedPhotograph, table: ClassTable) -> bytes:
    """All files that `parse_clothing.py` writes for a parsed photograph, as one ZIP archive."""
    archive = BytesIO()
    with tempfile.TemporaryDirectory(prefix="parsing_") as folder:
        made_with = {"settings": result.settings.to_json()}
        job = OutputJob(Path(folder), table=table, made_with=made_with)
        write_parsed(job, "clothing", result.parsed)
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
            for path in sorted(Path(folder).rglob("*")):
                if path.is_file():
                    out.write(path, path.relative_to(folder).as_posix())
    return archive.getvalue()
