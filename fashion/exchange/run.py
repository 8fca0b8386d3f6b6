"""Export to other annotation tools and import from them, from file to file, image by image."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fashion.annotations.annotated import AnnotatedImage, Annotations
from fashion.annotations.class_inference import FoundLabels, category_ids, infer_table
from fashion.annotations.coco_writing import CocoBuilder, CocoConversion
from fashion.annotations.locating import SUBSETS
from fashion.annotations.problems import Problem, stop_at_first
from fashion.annotations.via_reading import add_regions, image_of_entry
from fashion.annotations.via_shapes import ShapeError, check_inside
from fashion.annotations.via_writing import entry_of, native_key, output_path
from fashion.annotations.vocabulary import OTHER_ATTRIBUTES
from fashion.exchange.cvat import CvatExporter, cvat_entries
from fashion.exchange.files import OutputFolder, Pictures, another_file
from fashion.exchange.import_folders import labelme_entries, yolo_entries
from fashion.exchange.import_shapes import ImportReport
from fashion.exchange.items import (
    ExportImage,
    ExportReport,
    FileExporter,
    FolderExporter,
    objects_of,
)
from fashion.exchange.label_studio import LOCAL_FILES, LabelStudioExporter, label_studio_entries
from fashion.exchange.labelme import LabelMeExporter
from fashion.exchange.voc import VocExporter
from fashion.exchange.yolo import YoloExporter
from fashion.labels import ClassTable
from fashion.splitting.placing import same_content
from fashion.streams.coco_writing import CocoStreamWriter
from fashion.streams.images import ImageStream, open_annotations
from fashion.streams.shards import PendingFiles
from fashion.streams.via_writing import ViaStreamWriter

FORMATS = ("coco", "yolo-seg", "labelme", "voc", "cvat", "label-studio")
FOLDER_FORMATS = ("yolo-seg", "labelme", "voc")
FILE_NAMES = {"coco": "instances.json", "cvat": "annotations.xml", "label-studio": "tasks.json"}
MOST_ATTRIBUTES = 50  # attributes that the labels of a CVAT file declare at most


@dataclass(frozen=True)
class ExportSettings:
    """The settings of an export.

    Attributes:
        form: one of `FORMATS`.
        table: the classes; None derives them from the labels.
        images: the folder of the images; None: that of the annotations.
        place: "copy", "link", or None to leave the images where they are.
        parts: for YOLO, "join" or "split".
        prefix: for Label Studio, what precedes the names in addresses.
        shard_size: for COCO, images per file.
        strict: stop at the first region that cannot be used.
    """

    form: str
    table: ClassTable | None = None
    images: Path | None = None
    place: str | None = None
    parts: str = "join"
    prefix: str = LOCAL_FILES
    shard_size: int | None = None
    strict: bool = False


@dataclass
class _Source:
    """One subset: its annotations, which can be read repeatedly, and its images."""

    subset: str
    stream: ImageStream
    pictures: Pictures


@dataclass
class _Survey:
    labels: FoundLabels = field(default_factory=FoundLabels)
    attributes: dict[str, None] = field(default_factory=dict)

    def add(self, image: AnnotatedImage) -> None:
        self.labels.add(image)
        for region in image.regions:
            for name in region.attributes:
                if len(self.attributes) < MOST_ATTRIBUTES:
                    self.attributes.setdefault(str(name))


def export(path: Path, out: Path, settings: ExportSettings) -> tuple[ExportReport, list[Path]]:
    """Export the annotations `path` to `out`; return what was written and lost, and the paths.

    `path` is a VIA or COCO file, shards, or a folder: with annotations in train/, val/ or test/
    each of these is a subset. `out` is a folder for the folder formats, else a file or its folder.
    Raises `DatasetError`; then nothing has been written, except perhaps pictures.
    """
    with contextlib.ExitStack() as stack:
        sources = _sources(path, settings, stack)
        survey = _Survey()
        for source in sources:
            for image in source.stream:
                survey.add(image)
        like = _categories(sources) if settings.table is None else None
        table = settings.table or infer_table(survey.labels, like, str(path))
        report = ExportReport()
        if settings.form == "coco":
            written = _export_coco(out, sources, survey.labels, table, like, settings, report)
        elif settings.form in FOLDER_FORMATS:
            written = _export_folder(out, sources, table, settings, report)
        else:
            written = _export_file(out, sources, table, survey, settings, report)
        for source in sources:
            report.problems += source.stream.problems
    return report, written


def _sources(path: Path, settings: ExportSettings, stack: contextlib.ExitStack) -> list[_Source]:
    subsets = [name for name in SUBSETS if path.is_dir() and any((path / name).glob("*.json"))]
    found = []
    for subset in subsets or [""]:
        place = path / subset if subset else path
        stream = stack.enter_context(open_annotations(place, strict=settings.strict))
        folder = stream.index.files[0].absolute().parent
        if settings.images is not None:
            within = settings.images / subset
            folder = within if within.is_dir() else settings.images
        found.append(_Source(subset, stream, Pictures(folder, settings.place)))
    return found


def _categories(sources: list[_Source]) -> dict[str, Any] | None:
    """The categories of COCO files, if all sources are COCO and have the same ones."""
    lists = [source.stream.index.categories for source in sources if source.stream.is_coco]
    same = len(lists) == len(sources) and all(one == lists[0] for one in lists)
    return {"categories": lists[0]} if same and lists[0] else None


def _images(
    sources: list[_Source], table: ClassTable, settings: ExportSettings, report: ExportReport
) -> Iterator[ExportImage]:
    """The images of all subsets, of known size."""
    for source in sources:
        pictures = source.pictures
        for image in source.stream:
            size = _complete(image, pictures, report)
            if size is None:
                if settings.strict:
                    stop_at_first(report.problems, source.stream.source)
                continue
            width, height = size
            objects = objects_of(image, table, report.problems)
            if settings.strict:
                stop_at_first(report.problems, source.stream.source)
            number, name = report.images, image.filename
            report.images += 1
            report.objects += len(objects)
            yield ExportImage(number, name, width, height, source.subset, objects, pictures)


def _complete(
    image: AnnotatedImage, pictures: Pictures, report: ExportReport
) -> tuple[int, int] | None:
    """The size of an image, from its file if the annotations do not have it.

    Regions outside the image are then removed, as they are where the size is known. None, and a
    problem, if the annotations are for another size than the file's.
    """
    if image.width is not None and image.height is not None:
        reason = pictures.wrong_size(image.filename, image.width, image.height)
        if reason is None:
            return image.width, image.height
        report.problems.append(Problem(image.filename, None, f"{reason}; it is left out"))
        return None
    width, height = pictures.size(image.filename, image.width, image.height)
    image.attributes |= {"width": width, "height": height}
    for region in list(image.regions):
        try:
            check_inside(region.points, width, height)
        except ShapeError as error:
            report.problems.append(Problem(image.filename, region.number, str(error)))
            image.regions.remove(region)
    return width, height


def _export_folder(
    out: Path,
    sources: list[_Source],
    table: ClassTable,
    settings: ExportSettings,
    report: ExportReport,
) -> list[Path]:
    with OutputFolder(out) as folder:
        exporter: FolderExporter
        if settings.form == "yolo-seg":
            exporter = YoloExporter(folder, table, report, parts=settings.parts)
        elif settings.form == "voc":
            exporter = VocExporter(folder, table, report)
        else:
            exporter = LabelMeExporter(folder, report)
        for image in _images(sources, table, settings, report):
            exporter.add(image)
            folder.picture(exporter.image_path(image), image.pictures, image.filename)
        exporter.finish()
    return [out]


def _export_file(
    out: Path,
    sources: list[_Source],
    table: ClassTable,
    survey: _Survey,
    settings: ExportSettings,
    report: ExportReport,
) -> list[Path]:
    out = output_path(out, FILE_NAMES[settings.form])
    files = PendingFiles(out)
    exporter: FileExporter
    try:
        files.open()
        if settings.form == "cvat":
            own = [n for n in survey.attributes if n not in (*OTHER_ATTRIBUTES, "label", "fashion")]
            subsets = [source.subset for source in sources if source.subset]
            exporter = CvatExporter(files, table, own, subsets, report)
        else:
            exporter = LabelStudioExporter(files, table, report, prefix=settings.prefix)
        for image in _images(sources, table, settings, report):
            exporter.add(image)
            if settings.place:
                _put_beside(out, image.subset, image.filename, image.pictures)
        exporter.finish()
        companion = exporter.write_companion(out)
        return [*files.commit(), companion]
    finally:
        files.discard()


def _put_beside(out: Path, subset: str, filename: str, pictures: Pictures) -> None:
    """Copy or link an image into `images` beside the file `out`, unless it is there already."""
    target = out.parent / "images" / subset / filename
    if target.exists():
        if not same_content(pictures.source(filename), target):
            raise another_file(target)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    pictures.put(filename, target)


def _export_coco(
    out: Path,
    sources: list[_Source],
    labels: FoundLabels,
    table: ClassTable,
    like: dict[str, Any] | None,
    settings: ExportSettings,
    report: ExportReport,
) -> list[Path]:
    whole = output_path(out, FILE_NAMES["coco"])
    # A folder with subsets is laid out as COCO's own: annotations/ and images/ side by side.
    layout = out / "annotations" / whole.name if whole != out else whole
    written = []
    ids = category_ids(labels, table, like)
    for source in sources:
        name = f"{whole.stem}_{source.subset}{whole.suffix}"
        path = layout.with_name(name) if source.subset else whole
        result = CocoConversion(problems=report.problems)
        builder = CocoBuilder(table, ids, result)
        head, categories = dict(source.stream.index.head), builder.categories(like)
        with CocoStreamWriter(path, head, categories, shard_size=settings.shard_size) as writer:
            for image in source.stream:
                is_good = _complete(image, source.pictures, report) is not None
                if is_good:
                    writer.add(*builder.add(image))
                if settings.strict:
                    stop_at_first(report.problems, source.stream.source)
                if settings.place and is_good:
                    _put_beside(whole, source.subset, image.filename, source.pictures)
        report.images += result.images
        report.objects += result.annotations
        report.notes["instances with holes written as run-lengths"] += result.run_lengths
        written += writer.paths
    return written


def import_annotations(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    form: str,
    *,
    prefix: str = "",
    subset: str | None = None,
    take: str = "annotations",
    join: bool = False,
    shard_size: int | None = None,
    strict: bool = False,
) -> tuple[ImportReport, list[Path]]:
    """Turn another tool's annotations at `path` into the VIA file `out`; return report and files.

    `form` is "cvat" or "label-studio", for a file, or "labelme" or "yolo", for a folder.
    Regions are checked as by `fashion.annotations.via_reading`: bad ones are skipped and listed,
    and two images with the same name are refused. Raises `DatasetError`, with `strict` at the first
    problem; then nothing is written.
    """
    report = ImportReport()
    if form == "cvat":
        entries = cvat_entries(path, report, subset=subset, join=join)
    elif form == "label-studio":
        entries = label_studio_entries(path, report, prefix=prefix, take=take, join=join)
    elif form == "labelme":
        entries = labelme_entries(Path(path), report)
    else:
        entries = yolo_entries(Path(path), report, subset=subset)
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
