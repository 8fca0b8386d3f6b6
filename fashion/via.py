"""VIA files, both ways: the names that other modules use.

The shapes are in `via_shapes`, reading in `via_read`, writing in `via_write`.
"""

from fashion.annotated import AnnotatedImage as ViaImage
from fashion.annotated import Annotations as ViaFile
from fashion.annotated import Region as ViaRegion
from fashion.locating import ANNOTATION_FILE
from fashion.problem_log import Problem
from fashion.via_read import from_json, read
from fashion.via_write import (
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
