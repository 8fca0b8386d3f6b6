"""VIA files, both ways: the names that other modules use.

The shapes are in `fashion.annotations.via_shapes`, reading in `fashion.annotations.via_reading`,
writing in `fashion.annotations.via_writing`.
"""

from fashion.annotations.annotated import AnnotatedImage as ViaImage
from fashion.annotations.annotated import Annotations as ViaFile
from fashion.annotations.annotated import Region as ViaRegion
from fashion.annotations.locating import ANNOTATION_FILE
from fashion.annotations.problems import Problem
from fashion.annotations.via_reading import from_json, read
from fashion.annotations.via_writing import (
    PROJECT_FILE,
    output_path,
    to_json,
    use_files,
    write,
    write_project,
)

__all__ = [
    "ANNOTATION_FILE",
    "PROJECT_FILE",
    "Problem",
    "ViaFile",
    "ViaImage",
    "ViaRegion",
    "from_json",
    "output_path",
    "read",
    "to_json",
    "use_files",
    "write",
    "write_project",
]
