"""Small annotation files, and images to go with them, for the tests of the data side."""

import io
import json
import pathlib

import numpy as np
from PIL import Image

SQUARE = [(10, 10), (20, 10), (20, 20), (10, 20)]


def shape(points) -> dict:
    """VIA `shape_attributes` of a polygon through `points` (x, y)."""
    xs, ys = zip(*points, strict=True)
    return {"name": "polygon", "all_points_x": list(xs), "all_points_y": list(ys)}


def region(points=SQUARE, **attributes) -> dict:
    """A VIA region; without attributes it is a bag."""
    return {
        "shape_attributes": shape(points),
        "region_attributes": attributes or {"fashion": "1", "label": "bag"},
    }


def entry(filename="a.jpg", regions=(), size=(40, 30), **more) -> dict:
    """A VIA 2 image entry; `size` is (width, height), or None when the file does not say."""
    attributes = {} if size is None else {"width": size[0], "height": size[1]}
    return {
        "filename": filename,
        "size": -1,
        "regions": list(regions),
        "file_attributes": attributes,
        **more,
    }


def via_1(data: dict) -> dict:
    """VIA 2 annotations in the form that VIA 1 saves."""
    return {
        f"{e['filename']}{e['size']}": {
            "fileref": "",
            "size": e["size"],
            "filename": e["filename"],
            "base64_img_data": "",
            "file_attributes": e["file_attributes"],
            "regions": {str(number): r for number, r in enumerate(e["regions"])},
        }
        for e in data.values()
    }


def via_project(data: dict) -> dict:
    """VIA 2 annotations in the form of a saved project."""
    return {
        "_via_settings": {"project": {"name": "test"}},
        "_via_img_metadata": data,
        "_via_attributes": {"region": {}, "file": {}},
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": list(data),
    }


def coco_data(annotations=(), images=None, categories=("bag", "belt", "boots")) -> dict:
    """A COCO object; annotations get id, image, category 1, bbox, area and iscrowd unless given."""
    images = images or [{"id": 7, "file_name": "a.jpg", "width": 40, "height": 30}]
    filled = []
    for number, annotation in enumerate(annotations, 1):
        base = {
            "id": number,
            "image_id": images[0]["id"],
            "category_id": 1,
            "bbox": [10, 10, 10, 10],
            "area": 100,
            "iscrowd": 0,
            "segmentation": [np.ravel(SQUARE).tolist()],
        }
        filled.append(base | annotation)
    return {
        "images": images,
        "annotations": filled,
        "categories": [{"id": i, "name": name} for i, name in enumerate(categories, 1)],
    }


def write_json(path: pathlib.Path, data) -> pathlib.Path:
    """Write `data` to `path`, whose folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def write_image(path: pathlib.Path, width=40, height=30, orientation=None) -> pathlib.Path:
    """A small real image of the given stored size, with an EXIF orientation if wished."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.full((height, width, 3), 128, np.uint8))
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    image.save(path, exif=exif)
    return path


def dataset_folder(root: pathlib.Path, entries, subset="train", write_images=True) -> pathlib.Path:
    """`root/subset` with images and `via_region_data.json`; returns `root`."""
    folder = root / subset
    write_json(folder / "via_region_data.json", {str(i): e for i, e in enumerate(entries)})
    if write_images:
        for one in entries:
            attributes = one["file_attributes"]
            write_image(
                folder / one["filename"], attributes.get("width", 40), attributes.get("height", 30)
            )
    return root


def picture_bytes(width=120, height=180, kind="PNG"):
    """The bytes of a picture with something on it."""
    rows, columns = np.mgrid[:height, :width]
    pixels = np.dstack([rows % 256, columns % 256, (rows + columns) % 256]).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format=kind)
    return stream.getvalue()
