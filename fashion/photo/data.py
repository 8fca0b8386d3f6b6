"""The data set that the photo weights learn from: Clothing Co-Parsing as folders of COCO files.

Garments and persons, which it keeps in two files, are merged: a person is the fourteenth class.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fashion.annotations import coco
from fashion.json_files import write_json
from fashion.labels import PERSON, PHOTO_TABLE
from mrcnn.errors import DatasetError

SUBSETS = ("train", "val", "test")
ANNOTATIONS = "instances.json"


def merged(garments: Mapping[str, Any], persons: Mapping[str, Any]) -> dict[str, Any]:
    """Merge COCO data of garments and of persons on the same photographs.

    Args:
        garments: COCO data of ModaNet's categories.
        persons: COCO data of the one category `person`.

    Raises:
        DatasetError: the two are not about the same photographs.
    """
    if [i["file_name"] for i in garments["images"]] != [i["file_name"] for i in persons["images"]]:
        raise DatasetError("the annotations of garments and of persons list different photographs")
    ids = {image["file_name"]: image["id"] for image in garments["images"]}
    names = {image["id"]: image["file_name"] for image in persons["images"]}
    rows = [dict(row) for row in garments["annotations"]]
    rows += [
        {**row, "image_id": ids[names[row["image_id"]]], "category_id": PHOTO_TABLE.id_of(PERSON)}
        for row in persons["annotations"]
    ]
    return {
        "info": dict(garments.get("info", {})),
        "images": [dict(image) for image in garments["images"]],
        "annotations": [{**row, "id": number} for number, row in enumerate(rows, 1)],
        "categories": [{"id": row.id, "name": row.name} for row in PHOTO_TABLE],
    }


def write_photo_data(source: Path, target: Path, subsets: Sequence[str] = SUBSETS) -> None:
    """Make `target/train` and so on, each with photographs and one COCO file.

    Args:
        source: the folder with photos/, instances_*.json and persons_*.json.
        target: where to write; photographs that are there already are kept.
        subsets: those to write.
    """
    for subset in subsets:
        data = merged(
            coco.read(source / f"instances_{subset}.json"),
            coco.read(source / f"persons_{subset}.json"),
        )
        folder = target / subset
        folder.mkdir(parents=True, exist_ok=True)
        for image in data["images"]:
            place = folder / image["file_name"]
            if not place.exists():
                shutil.copyfile(source / "photos" / image["file_name"], place)
        write_json(folder / ANNOTATIONS, data)
