"""Writing VIA 2 files: annotations, and projects in which a person corrects labels.

The files are those of the VGG Image Annotator 2 ("Import annotations", "Load project").
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fashion.annotations.annotated import AnnotatedImage, Annotations, Region, attribute_text
from fashion.annotations.coco import EXTRA
from fashion.annotations.locating import ANNOTATION_FILE, picture_path
from fashion.annotations.vocabulary import options_of, spelt_out
from fashion.json_files import write_json
from fashion.labels import MODANET_TABLE, SEASON_TABLE, ClassTable

PROJECT_FILE = "via_project.json"
FORMAT_VERSION = "2.0.10"


def to_json(via: Annotations) -> dict[str, Any]:
    """The VIA 2 annotation object of `via`: key -> filename, size, regions, file_attributes.

    An image without a key, or with one that is taken, gets VIA's own: file name and size. Numbers
    that only a project's options explain become their texts.
    """
    data: dict[str, Any] = {}
    options = options_of(via.attribute_definitions)
    for image in via.images:
        key = image.key if image.key and image.key not in data else native_key(image)
        data[key] = entry_of(image, options)
    return data


def entry_of(
    image: AnnotatedImage, options: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, Any]:
    """The VIA 2 entry of an image; `options` are those of a project, to be spelt out.

    Regions that could not be used keep their places, so that they can be corrected.
    """
    numbered = [(region.number, _region_of(region, options or {})) for region in image.regions]
    if image.unusable:
        numbered = sorted([*numbered, *image.unusable.items()], key=lambda pair: pair[0])
    return {
        "filename": image.filename,
        "size": image.size,
        "regions": [region for _, region in numbered],
        "file_attributes": image.attributes,
    }


def _region_of(
    region: Region, options: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, Any]]:
    attributes = dict(spelt_out(region.attributes, options))
    # VIA shows every region attribute in its table; it keeps those of shapes without showing them.
    carried = {EXTRA: attributes.pop(EXTRA)} if EXTRA in attributes else {}
    return {"shape_attributes": region.shape | carried, "region_attributes": attributes}


def native_key(image: AnnotatedImage) -> str:
    """The key VIA itself gives an image: its file name with its size in bytes behind it."""
    return f"{image.filename}{image.size}"


def write(path: str | os.PathLike[str], via: Annotations, *, indent: int | None = None) -> None:
    """Write `via` as a VIA 2 annotation file, whole or not at all.

    Raises `DatasetError` when the folder cannot be written.
    """
    write_json(path, to_json(via), indent=indent)


def output_path(out: str | os.PathLike[str], name: str | None = None) -> Path:
    """The file that a command's OUT means: itself, or `name` in it when it is a folder.

    A path is a folder when it is one, or when its name has no suffix.
    """
    out = Path(out)
    return out / (name or ANNOTATION_FILE) if out.is_dir() or not out.suffix else out


def use_files(via: Annotations, folder: str | os.PathLike[str]) -> None:
    """Give every image of `via` the size in bytes and the key that VIA gives its file in `folder`.

    VIA finds the annotations of pictures that are already open by these. Missing images keep the
    size -1.
    """
    for image in via.images:
        use_file(image, folder)


def use_file(image: AnnotatedImage, folder: str | os.PathLike[str]) -> None:
    """Do what `use_files` does for one image."""
    path = picture_path(Path(folder), image.filename)
    image.size = path.stat().st_size if path.is_file() else -1
    image.key = native_key(image)


def write_project(
    path: str | os.PathLike[str],
    via: Annotations,
    *,
    table: ClassTable | None = None,
    image_folder: str | os.PathLike[str] | None = None,
) -> None:
    """Write `via` as a VIA 2 project, for a person to correct labels in, whole or not at all.

    In VIA 2, "Load" of the project menu opens it. `label` becomes a list to choose from: the
    classes of `table`, or, without it, the known table that holds all labels of the file, else the
    labels found. Labels are shown on the regions and colour them. VIA looks for the images in
    `image_folder`; without it the user adds them ("Add Files"), and VIA knows them by their names.
    A project that was read keeps its own settings and definitions.

    Raises `DatasetError` when the folder cannot be written.
    """
    images = {native_key(image): image for image in via.images}
    data = {
        "_via_settings": _settings(Path(path).stem, image_folder) | via.settings,
        "_via_img_metadata": {key: entry_of(image) for key, image in images.items()},
        "_via_attributes": _definitions(via, table),
        "_via_data_format_version": FORMAT_VERSION,
        "_via_image_id_list": list(images),
    }
    write_json(path, data)


def _settings(name: str, image_folder: str | os.PathLike[str] | None) -> dict[str, Any]:
    """The settings that VIA asks for; all others keep VIA's defaults."""
    folder = "" if image_folder is None else f"{Path(image_folder).resolve().as_posix()}/"
    return {
        "ui": {"image": {"region_label": "label", "region_color": "label"}},
        "core": {"filepath": {}, "default_filepath": folder},
        "project": {"name": name},
    }


def _definitions(via: Annotations, table: ClassTable | None) -> dict[str, Any]:
    """`_via_attributes`: how each attribute is edited in VIA."""
    # VIA's own COCO export names the categories by the texts of the options.
    labels = _choice("Class", {name: name for name in label_choices(via, table)})
    region = {
        "label": labels,
        "fashion": _text_field("Code of the class; the label wins where both are there"),
        "instance": _text_field("The same value for all regions of one garment"),
        "hole": _text_field("1 where this region is cut out of its garment"),
    }
    own = via.attribute_definitions
    theirs = {kind: dict(own.get(kind) or {}) for kind in ("region", "file")}
    for definitions in theirs.values():
        definitions.pop(EXTRA, None)  # JSON text, which VIA would show beside each region
    return {"region": region | theirs["region"], "file": theirs["file"]}


def label_choices(via: Annotations, table: ClassTable | None = None) -> dict[str, str]:
    """The labels to choose from, as VIA's options: name -> text shown for it ("" is itself)."""
    met = {attribute_text(r.attributes.get("label")): "" for image in via for r in image.regions}
    met.pop("", None)
    if table is None:
        known = (t for t in (MODANET_TABLE, SEASON_TABLE) if all(t.find(name) for name in met))
        table = next(known, None)
    return met if table is None else dict.fromkeys(table.names, "") | met


def _choice(description: str, options: dict[str, str]) -> dict[str, Any]:
    return {
        "type": "dropdown",
        "description": description,
        "options": options,
        "default_options": {},
    }


def _text_field(description: str) -> dict[str, Any]:
    return {"type": "text", "description": description, "default_value": ""}
