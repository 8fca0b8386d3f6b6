"""What the VGG Image Annotator 2.0 does with our files, told again for tests.

VIA is a page for a browser. Here is how its source treats what it opens, shows and writes: which
attributes become columns of its table, what its import of COCO makes of categories, and how its
export finds category ids.
"""

import re

CHOICES = ("radio", "dropdown")  # the attributes that a COCO export takes


class ViaProgram:
    """VIA with the definitions of attributes, the entries by key, and the order of these."""

    def __init__(self):
        self.attributes = {"region": {}, "file": {}}
        self.entries = {}

    def load_project(self, project):
        """Project, Load."""
        self.attributes = project["_via_attributes"]
        self.entries = project["_via_img_metadata"]
        assert project["_via_image_id_list"] == list(self.entries)
        return self

    def import_json(self, data):
        """Annotation, Import (JSON): every attribute that is new becomes a text column."""
        for key, entry in data.items():
            mine = self.entries.setdefault(
                key, {"filename": entry["filename"], "size": entry["size"]}
            )
            attributes = {k: v for k, v in entry["file_attributes"].items() if k}
            mine["file_attributes"] = attributes
            mine["regions"] = [
                {
                    "shape_attributes": dict(region["shape_attributes"]),
                    "region_attributes": {
                        k: v for k, v in region["region_attributes"].items() if k
                    },
                }
                for region in entry["regions"]
            ]
            for name in attributes:
                self.attributes["file"].setdefault(name, {"type": "text"})
            for region in mine["regions"]:
                for name in region["region_attributes"]:
                    self.attributes["region"].setdefault(name, {"type": "text"})
        return self

    def import_coco(self, data):
        """Annotation, Import (COCO): an attribute for each supercategory, ids as its values.

        Of each annotation the first polygon comes; run-lengths end the import.
        """
        if not {"info", "categories", "annotations", "images"} <= data.keys():
            raise ValueError("File does not contain valid annotations in COCO format.")
        above = {}
        for category in data["categories"]:
            definition = self.attributes["region"].setdefault(
                category["supercategory"],
                {"type": "radio", "description": str(category), "options": {}},
            )
            definition["options"][str(category["id"])] = category["name"]
            above[category["id"]] = category["supercategory"]
        for definition in self.attributes["region"].values():
            if len(definition["options"]) > 5:
                definition["type"] = "dropdown"
        self.entries = {}
        for image in data["images"]:
            self.entries[str(image["id"])] = {
                "filename": image.get("coco_url") or image["file_name"],
                "size": -1,
                "regions": [
                    _region_of(annotation, above)
                    for annotation in data["annotations"]
                    if annotation["image_id"] == image["id"]
                ],
                "file_attributes": {"width": image["width"], "height": image["height"]},
            }
        return self

    def table(self, kind="region"):
        """The columns of the table with their descriptions."""
        found = self.attributes[kind].items()
        return {name: definition.get("description", "") for name, definition in found}

    def values(self):
        """What the cells of the table of regions show: texts of options, and other text."""
        return [
            {
                name: definition.get("options", {}).get(value) or value
                for name, definition in self.attributes["region"].items()
                if (value := region["region_attributes"].get(name))
            }
            for entry in self.entries.values()
            for region in entry["regions"]
        ]

    def save_project(self):
        """Project, Save."""
        return {
            "_via_settings": {},
            "_via_img_metadata": self.entries,
            "_via_attributes": self.attributes,
            "_via_data_format_version": "2.0.10",
            "_via_image_id_list": list(self.entries),
        }

    def export_json(self):
        """Annotation, Export (as JSON): the entries, without any definition."""
        return self.entries

    def export_coco(self, folder=""):
        """Annotation, Export (as COCO).

        Images and options keep their numbers where the keys of all images begin with one, else all
        are numbered anew. An option whose key is then no number gets null.
        """
        anew = any(_number(key) is None for key in self.entries)
        categories, ids = [], {}
        for name, definition in self.attributes["region"].items():
            for key, text in definition.get("options", {}).items():
                if definition["type"] in CHOICES:
                    ids[key] = len(categories) + 1 if anew else _number(key)
                    categories.append({"supercategory": name, "id": ids[key], "name": text})
        images, annotations = [], []
        for number, (key, entry) in enumerate(self.entries.items(), 1):
            image = number if anew else _number(key)
            images.append(
                {
                    "id": image,
                    "width": entry["file_attributes"].get("width"),  # VIA: of the open picture
                    "height": entry["file_attributes"].get("height"),
                    "file_name": entry["filename"],
                    "coco_url": folder + entry["filename"],
                }
            )
            for region in entry["regions"]:
                for value in region["region_attributes"].values():
                    if value in ids:
                        shape = _shape_of(region["shape_attributes"])
                        row = {"id": len(annotations) + 1, "image_id": image, **shape}
                        annotations.append({**row, "category_id": ids[value]})
        head = {"info": {"version": "1.0"}, "licenses": []}
        return {**head, "images": images, "annotations": annotations, "categories": categories}


def _number(text):
    """JavaScript's parseInt."""
    found = re.match(r"\s*[+-]?\d+", text)
    return int(found[0]) if found else None


def _region_of(annotation, above):
    ring = annotation["segmentation"][0]  # a KeyError for run-lengths, as there
    category = annotation["category_id"]
    return {
        "shape_attributes": {
            "name": "polygon",
            "all_points_x": ring[::2],
            "all_points_y": ring[1::2],
        },
        "region_attributes": {above[category]: str(category)},
    }


def _shape_of(shape):
    xs, ys = shape["all_points_x"], shape["all_points_y"]
    box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    ring = [value for point in zip(xs, ys, strict=True) for value in point]
    return {"segmentation": [ring], "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
