"""Importing annotations of other tools, from file to file, image by image."""

import os
from pathlib import Path

from fashion.annotations.annotated import Annotations
from fashion.annotations.problems import stop_at_first
from fashion.annotations.via_reading import add_regions, image_of_entry
from fashion.annotations.via_writing import entry_of, native_key
from fashion.import_cvat import cvat_entries
from fashion.import_label_studio import label_studio_entries
from fashion.import_shapes import ImportReport
from fashion.streams.via_writing import ViaStreamWriter


def import_annotations(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    form: str,
    *,
    prefix: str = "",
    subset: str | None = None,
    shard_size: int | None = None,
    strict: bool = False,
) -> tuple[ImportReport, list[Path]]:
    """Turn the CVAT or Label Studio file `path` into the VIA file `out`; a report, the files.

    `form` is "cvat" or "label-studio". Regions are checked as by
    `fashion.annotations.via_reading`: bad ones are
    skipped and listed, and two images of one name are refused. Raises `DatasetError`, with `strict`
    at the first problem; then nothing is written.
    """
    report = ImportReport()
    entries = (
        cvat_entries(path, report, subset=subset)
        if form == "cvat"
        else label_studio_entries(path, report, prefix=prefix)
    )
    checked = Annotations(problems=report.problems)
    with ViaStreamWriter(out, shard_size=shard_size) as writer:
        for key, entry in entries:
            image = image_of_entry(key, entry, str(path))
            add_regions(image, image, entry, str(path), checked)
            if strict:
                stop_at_first(report.problems, path)
            report.regions += len(image.regions)
            writer.add(native_key(image), entry_of(image))
    return report, writer.paths
