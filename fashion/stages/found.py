"""What was found on a folder of pictures, as files for other programs and for people.

`garments.csv` for spreadsheets, `predictions.json` as COCO results, `index.html` to look at.
"""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fashion.html.page import escaped, fill, link, page_file, thumbnail
from fashion.json_files import write_json
from fashion.labels import ClassTable
from fashion.pictures.colours import dominant_colour
from mrcnn.errors import counted
from mrcnn.evaluation.coco_ap import encode_mask
from mrcnn.system.files import write_bytes

CSV, PREDICTIONS, PAGE = "garments.csv", "predictions.json", "index.html"
SHOWN = 500  # pictures in the gallery, some 20 kB each
THUMBNAIL = 440
_HEAD = ("picture", "garment", "score", "x1", "y1", "x2", "y2", "area", "colour", "wearer")


@dataclass(frozen=True)
class Garment:
    """One garment on a picture.

    Attributes:
        class_id, name: its class.
        score: the detector's, 0 to 1.
        box: y1, x1, y2, x2 in pixels, exclusive at y2 and x2.
        area: pixels of its mask.
        colour: the name of its dominant colour, "" without a pixel.
        segmentation: COCO run-lengths of its mask.
        wearer: the number of the person who wears it, from 1; None if that is not known.
    """

    class_id: int
    name: str
    score: float
    box: tuple[int, int, int, int]
    area: int
    colour: str
    segmentation: dict[str, Any]
    wearer: int | None = None


def garments_of(
    image: np.ndarray, result: Mapping[str, np.ndarray], table: ClassTable
) -> list[Garment]:
    """The detections of one image, as `MaskRCNN.detect` gives them.

    image: uint8 RGB [H, W, 3]; its pixels give the colours.
    """
    garments = []
    for index, class_id in enumerate(result["class_ids"]):
        mask = result["masks"][..., index]
        y1, x1, y2, x2 = (int(n) for n in result["rois"][index])
        colour = dominant_colour(image[y1:y2, x1:x2][mask[y1:y2, x1:x2]])
        garments.append(
            Garment(
                int(class_id),
                table.name_of(int(class_id)),
                float(result["scores"][index]),
                (y1, x1, y2, x2),
                int(np.count_nonzero(mask)),
                colour.name if colour else "",
                encode_mask(mask),
            )
        )
    return garments


@dataclass
class _Picture:
    name: str
    drawing: Path
    garments: list[Garment]
    thumbnail: tuple[str, int, int] | None


@dataclass
class FoundFiles:
    """Collects what is found picture by picture, and writes the three files at the end.

    Attributes:
        folder: where they are written.
        title: of the page.
        subject: a line below it: the model, the folder of pictures.
    """

    folder: Path
    title: str
    subject: str
    _pictures: list[_Picture] = field(default_factory=list)

    def add(
        self, name: str, garments: Sequence[Garment], drawing: Path, pixels: np.ndarray
    ) -> None:
        """Record a picture.

        Args:
            name: of its file.
            garments: what was found on it.
            drawing: the file that shows it, to which the gallery links.
            pixels: of that drawing, uint8 RGB [H, W, 3].
        """
        small = thumbnail(pixels, THUMBNAIL) if len(self._pictures) < SHOWN else None
        self._pictures.append(_Picture(name, drawing, list(garments), small))

    def write(self) -> list[Path]:
        """Write the files, each whole or not at all, and return their paths.

        Raises:
            UserError: one cannot be written.
        """
        table, predictions, page = (self.folder / name for name in (CSV, PREDICTIONS, PAGE))
        write_bytes(table, self._table().encode("utf-8-sig", "backslashreplace"))
        write_json(predictions, self.predictions())
        write_bytes(page, self._page(page).encode())
        return [table, predictions, page]

    def _table(self) -> str:
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_HEAD)
        for picture in self._pictures:
            for g in picture.garments:
                y1, x1, y2, x2 = g.box
                name = _plain_cell(picture.name)
                row = (name, g.name, f"{g.score:.4f}", x1, y1, x2, y2, g.area, g.colour)
                writer.writerow((*row, "" if g.wearer is None else g.wearer))
        return stream.getvalue()

    def predictions(self) -> list[dict[str, Any]]:
        """COCO results rows with `file_name`; image ids number the pictures as added, from 1."""
        rows = []
        for number, picture in enumerate(self._pictures, 1):
            for g in picture.garments:
                y1, x1, y2, x2 = g.box
                rows.append(
                    {
                        "image_id": number,
                        "file_name": picture.name.encode("utf-8", "backslashreplace").decode(),
                        "category_id": g.class_id,
                        "category_name": g.name,
                        "score": round(g.score, 4),
                        "bbox": [x1, y1, x2 - x1, y2 - y1],
                        "segmentation": g.segmentation,
                    }
                )
        return rows

    def _page(self, page: Path) -> str:
        shown = self._pictures[:SHOWN]
        total = sum(len(picture.garments) for picture in self._pictures)
        counts = Counter(g.name for picture in self._pictures for g in picture.garments)
        summary = f"{counted(total, 'garment')} in {counted(len(self._pictures), 'picture')}"
        rest = len(self._pictures) - len(shown)
        more = f"<p>{counted(rest, 'more picture')} not shown here; see {CSV}.</p>" if rest else ""
        chips = "".join(f"<li>{escaped(n)} <b>{c:,}</b></li>" for n, c in counts.most_common())
        parts = {
            "STYLE": page_file("found.css"),
            "TITLE": escaped(self.title),
            "SUBJECT": escaped(self.subject),
            "SUMMARY": summary,
            "COUNTS": chips,
            "FIGURES": "".join(_figure(picture, page) for picture in shown),
            "MORE": more,
        }
        return fill(page_file("found.html"), parts)


def _figure(picture: _Picture, page: Path) -> str:
    address, width, height = picture.thumbnail or ("", 0, 0)
    found = ", ".join(f"{escaped(g.name)} {g.score:.2f}" for g in picture.garments)
    return (
        f'<figure><a href="{link(picture.drawing, page)}"><img src="{address}" width="{width}" '
        f'height="{height}" loading="lazy" alt="{escaped(picture.name)}"></a>'
        f"<figcaption><b>{escaped(picture.name)}</b><br>{found or 'nothing found'}</figcaption>"
        "</figure>"
    )


def _plain_cell(text: str) -> str:
    """A text that spreadsheets do not mistake for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
