"""LabelMe's JSON files, one for each picture.

A shape is one polygon; the parts of an instance share a `group_id`. A hole, which LabelMe's
polygons cannot have, is joined to the outline of its part by a bridge of no width. Score, crowd and
further attributes have separate keys, which LabelMe keeps when it saves.
"""

from pathlib import PurePosixPath
from typing import Any

from fashion.exchange.files import OutputFolder
from fashion.exchange.items import ExportImage, ExportObject, ExportReport
from fashion.exchange.rings import split
from fashion.json_files import json_text

VERSION = "5.5.0"  # the LabelMe whose fields these are


class LabelMeExporter:
    """Writes a LabelMe file for each image, in the folders of the images' names."""

    def __init__(self, out: OutputFolder, report: ExportReport) -> None:
        self._out, self._report = out, report

    def add(self, image: ExportImage) -> None:
        """Write the file of one image."""
        path = PurePosixPath(image.subset, f"{image.stem}.json")
        shapes = [shape for thing in image.objects for shape in self._shapes(thing, image)]
        data: dict[str, Any] = {
            "version": VERSION,
            "flags": {},
            "shapes": shapes,
            "imagePath": self._image_path(image, path),
            "imageData": None,
            "imageHeight": image.height,
            "imageWidth": image.width,
        }
        self._out.write(path, json_text(data, self._out.path / path, indent=1) + "\n")

    def image_path(self, image: ExportImage) -> PurePosixPath:
        """Where the image file belongs: beside its JSON file."""
        return PurePosixPath(image.subset, image.filename)

    def finish(self) -> None:
        """Nothing is left to write."""

    def _image_path(self, image: ExportImage, path: PurePosixPath) -> str:
        if image.pictures.mode or image.pictures.folder is None:
            return PurePosixPath(image.filename).name
        return image.pictures.reference(image.filename, (self._out.path / path).parent)

    def _shapes(self, thing: ExportObject, image: ExportImage) -> list[dict[str, Any]]:
        holes = thing.holes
        rings = split(thing.parts, holes, image.width, image.height) if holes else list(thing.parts)
        self._report.notes["holes joined to their outline"] += len(holes)
        self._report.losses["instances outside of their image"] += not rings
        more: dict[str, Any] = {}
        if thing.score is not None:
            more["score"] = thing.score
        if thing.attributes:
            more["attributes"] = thing.attributes
        return [
            {
                "label": thing.label,
                "points": ring.tolist(),
                "group_id": thing.number if len(rings) > 1 else None,
                "description": "",
                "shape_type": "polygon",
                "flags": {"crowd": True} if thing.crowd else {},
                "mask": None,
                **more,
            }
            for ring in rings
        ]
