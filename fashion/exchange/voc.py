"""Pascal VOC: for each picture a file of boxes, and two pictures of its classes and objects.

    Annotations/a.xml  JPEGImages/a.jpg  SegmentationClass/a.png  SegmentationObject/a.png
    ImageSets/Main/train.txt  ImageSets/Segmentation/train.txt  labelmap.txt

Boxes are VOC's: the first and the last pixel of the mask, counted from 1. The two pictures have
VOC's palette; 0 is the background, 255 "void", used for crowds. A pixel belongs to only one object:
small ones are drawn over large ones. The number of an object in SegmentationObject is its position
in the XML file.
"""

import io
from pathlib import PurePosixPath
from xml.sax.saxutils import escape

import numpy as np

from fashion.exchange.files import OutputFolder, check_xml_text
from fashion.exchange.items import ExportImage, ExportObject, ExportReport
from fashion.labels import ClassTable
from mrcnn.errors import DatasetError

VOID, MOST_OBJECTS = 255, 254
# An object, its mask, and the mask's top and left.
_Drawn = tuple[ExportObject, np.ndarray, int, int]


def voc_palette() -> np.ndarray:
    """VOC's 256 colours, uint8 [256, 3]: the bits of a number go to red, green and blue in turn."""
    numbers = np.arange(256)
    palette = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        channel, place = bit % 3, 7 - bit // 3
        palette[:, channel] |= ((numbers >> bit & 1) << place).astype(np.uint8)
    return palette


class VocExporter:
    """Writes a Pascal VOC data set into a folder. Raises `DatasetError` for over 254 classes."""

    def __init__(self, out: OutputFolder, table: ClassTable, report: ExportReport) -> None:
        if len(table) > MOST_OBJECTS:
            raise DatasetError(
                "too many classes for the pictures of Pascal VOC",
                expected=f"at most {MOST_OBJECTS}",
                found=len(table),
                advice="choose another format",
            )
        taken = [row.name for row in table if row.name.casefold() in ("background", "ignored")]
        if taken:
            raise DatasetError(
                f'the class "{taken[0]}" has a special meaning in Pascal VOC',
                advice="rename the class, or leave it out with your own class table",
            )
        self._out, self._table, self._report = out, table, report
        self._palette = voc_palette()

    def add(self, image: ExportImage) -> None:
        """Write the files of one image."""
        drawn = self._drawn(image)
        classes, objects = self._pictures(image, drawn)
        self._out.write(f"Annotations/{image.stem}.xml", self._xml(image, drawn))
        for folder, picture in (("SegmentationClass", classes), ("SegmentationObject", objects)):
            self._out.write(f"{folder}/{image.stem}.png", self._png(picture))
        for kind in ("Main", "Segmentation"):
            self._out.append(f"ImageSets/{kind}/{image.subset or 'train'}.txt", f"{image.stem}\n")

    def image_path(self, image: ExportImage) -> PurePosixPath:
        """Where the image file belongs."""
        return PurePosixPath("JPEGImages", image.filename)

    def finish(self) -> None:
        """Write the classes with their colours."""
        rows = ["background:0,0,0::\n"]
        for row in self._table:
            colour = ",".join(map(str, self._palette[row.id].tolist()))
            name = " ".join(row.name.replace(":", " ").split())
            rows.append(f"{name}:{colour}::\n")
        rows.append(f"ignored:{','.join(map(str, self._palette[VOID].tolist()))}::\n")
        self._out.write("labelmap.txt", "# label:color_rgb:parts:actions\n" + "".join(rows))

    def _drawn(self, image: ExportImage) -> list[_Drawn]:
        """The objects that have a pixel."""
        found: list[_Drawn] = []
        for thing in image.objects:
            mask, (top, left) = image.mask(thing)
            if not mask.any():
                self._report.losses["instances outside of their image"] += 1
            elif len(found) >= MOST_OBJECTS:
                self._report.losses[f"instances beyond {MOST_OBJECTS} of a picture"] += 1
            else:
                found.append((thing, mask, top, left))
        return found

    def _pictures(self, image: ExportImage, drawn: list[_Drawn]) -> tuple[np.ndarray, np.ndarray]:
        classes = np.zeros((image.height, image.width), dtype=np.uint8)
        objects = np.zeros_like(classes)
        order = sorted(enumerate(drawn, 1), key=lambda pair: -np.count_nonzero(pair[1][1]))
        for number, (thing, mask, top, left) in order:
            window = np.s_[top : top + mask.shape[0], left : left + mask.shape[1]]
            hidden = np.count_nonzero(objects[window][mask])
            self._report.losses["pixels under another instance"] += int(hidden)
            classes[window][mask] = VOID if thing.crowd else thing.class_id
            objects[window][mask] = VOID if thing.crowd else number
        return classes, objects

    def _xml(self, image: ExportImage, drawn: list[_Drawn]) -> str:
        folder, name = PurePosixPath(image.filename).parent, PurePosixPath(image.filename).name
        source = image.filename
        lines = [
            "<annotation>",
            f"  <folder>{_text(str(PurePosixPath('JPEGImages') / folder), source)}</folder>",
            f"  <filename>{_text(name, source)}</filename>",
            "  <size>",
            f"    <width>{image.width}</width>",
            f"    <height>{image.height}</height>",
            "    <depth>3</depth>",
            "  </size>",
            f"  <segmented>{int(bool(drawn))}</segmented>",
        ]
        for thing, mask, top, left in drawn:
            lines += self._object(thing, _box(mask, top, left), image)
        return "\n".join([*lines, "</annotation>", ""])

    def _object(
        self, thing: ExportObject, box: tuple[int, int, int, int], image: ExportImage
    ) -> list[str]:
        x1, y1, x2, y2 = box
        edges = x1 == 0 or y1 == 0 or x2 == image.width or y2 == image.height
        attributes = dict(thing.attributes)
        if thing.score is not None:
            attributes["score"] = f"{thing.score:g}"
        lines = [
            "  <object>",
            f"    <name>{_text(thing.label, image.filename)}</name>",
            "    <pose>Unspecified</pose>",
            f"    <truncated>{int(edges)}</truncated>",
            f"    <difficult>{int(thing.crowd)}</difficult>",
            "    <bndbox>",
            f"      <xmin>{x1 + 1}</xmin>",
            f"      <ymin>{y1 + 1}</ymin>",
            f"      <xmax>{x2}</xmax>",
            f"      <ymax>{y2}</ymax>",
            "    </bndbox>",
        ]
        if attributes:
            lines.append("    <attributes>")
            for key, value in attributes.items():
                name, text = _text(key, image.filename), _text(value, image.filename)
                lines.append(
                    f"      <attribute><name>{name}</name><value>{text}</value></attribute>"
                )
            lines.append("    </attributes>")
        return [*lines, "  </object>"]

    def _png(self, picture: np.ndarray) -> bytes:
        from PIL import Image

        made = Image.fromarray(picture)
        made.putpalette(self._palette.ravel().tolist())
        stream = io.BytesIO()
        made.save(stream, "PNG")
        return stream.getvalue()


def _box(mask: np.ndarray, top: int, left: int) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 of a mask's pixels, x2 and y2 exclusive."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (
        left + int(columns[0]),
        top + int(rows[0]),
        left + int(columns[-1]) + 1,
        top + int(rows[-1]) + 1,
    )


def _text(text: str, source: str) -> str:
    return escape(check_xml_text(text, source))
