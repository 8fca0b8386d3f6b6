"""COCO to VIA and back, image by image, for files larger than memory.

The output is, byte by byte, what `fashion.annotations.coco_reading` and
`fashion.annotations.coco_writing` make of whole files; only problems may be listed in another
order.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fashion.annotations.annotated import AnnotatedImage
from fashion.annotations.class_inference import FoundLabels, category_ids, infer_table
from fashion.annotations.coco_reading import Conversion
from fashion.annotations.coco_writing import CocoBuilder, CocoConversion, head_of
from fashion.annotations.instances import group_regions
from fashion.annotations.locating import picture_path
from fashion.annotations.problems import Problem, ProblemLog, stop_at_first
from fashion.annotations.via_reading import CORRECT
from fashion.annotations.via_writing import entry_of, native_key, use_file
from fashion.labels import ClassTable
from fashion.pictures.listing import wrong_size
from fashion.streams.coco_writing import CocoStreamWriter
from fashion.streams.images import ImageStream, images_of_coco
from fashion.streams.shards import annotation_files
from fashion.streams.via_writing import ViaStreamWriter

LARGE = 256 << 20  # bytes; above this, reading whole files takes gigabytes


def is_large(path: str | os.PathLike[str], *, limit: int = LARGE) -> bool:
    """Whether to read annotations image by image: several files, or more than `limit` bytes.

    Raises `DatasetError` if there are none.
    """
    files = annotation_files(path)
    return files != [Path(path)] or files[0].stat().st_size > limit


def coco_to_via(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    first_polygon: bool = False,
    images: str | os.PathLike[str] | None = None,
    shard_size: int | None = None,
    strict: bool = False,
) -> tuple[Conversion, list[Path]]:
    """Turn the COCO file `path` (or shards) into the VIA file `out`; what was met, and the files.

    `first_polygon`: as for `fashion.annotations.coco_reading.to_via`. `images`: the folder of the
    images, for keys and sizes; see `use_file_that_fits`. Raises `DatasetError`, with `strict` at
    the first problem; then nothing is written.
    """
    conversion = Conversion(problems=ProblemLog())
    with (
        ImageStream(path, wanted="coco") as stream,
        ViaStreamWriter(out, shard_size=shard_size) as writer,
    ):
        for image in images_of_coco(stream.index, conversion, first_polygon=first_polygon):
            fits = images is None or use_file_that_fits(image, Path(images), conversion)
            if strict:
                stop_at_first(conversion.problems, stream.source)
            if not fits:
                continue
            writer.add(image.key or native_key(image), entry_of(image))
        if strict:  # a file without images may still have annotations
            stop_at_first(conversion.problems, stream.source)
    return conversion, writer.paths


def use_file_that_fits(image: AnnotatedImage, folder: Path, conversion: Conversion) -> bool:
    """Set an image's key and size in bytes from its file, if that is what was annotated.

    False, and a problem, if the annotations are for another size in pixels than the file's; the
    image is then no longer counted.
    """
    path = picture_path(folder, image.filename)
    reason = wrong_size(path, image.width, image.height)
    if reason is None:
        use_file(image, folder)
        return True
    conversion.problems.append(Problem(image.filename, None, f"{reason}; it is left out"))
    conversion.images -= 1
    conversion.regions -= image.region_count
    conversion.instances -= len(group_regions(image.regions))
    conversion.empty_images -= not image.regions
    return False


def via_to_coco(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    table: ClassTable | None = None,
    like: Mapping[str, Any] | None = None,
    shard_size: int | None = None,
    strict: bool = False,
) -> tuple[CocoConversion, list[Path]]:
    """Turn the VIA file `path` (or shards) into the COCO file `out`; what was met, and the files.

    `table` and `like`: as for `fashion.annotations.coco_writing.from_via`. The labels are gathered
    in a first pass. Raises `DatasetError`, with `strict` at the first problem; then nothing is
    written.
    """
    with ImageStream(path, wanted="via", strict=strict) as stream:
        labels = FoundLabels.of(stream)
        table = table or infer_table(labels, like, stream.source)
        result = CocoConversion(problems=ProblemLog())
        builder = CocoBuilder(table, category_ids(labels, table, like), result)
        categories = builder.categories(like)
        with CocoStreamWriter(out, head_of(like), categories, shard_size=shard_size) as writer:
            for image in stream:
                writer.add(*builder.add(image))
                if strict:
                    stop_at_first(result.problems, stream.source, CORRECT)
        problems = stream.problems
        problems += result.problems
        result.problems = problems
    return result, writer.paths
