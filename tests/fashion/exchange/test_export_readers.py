"""What is exported, as readers of other projects see it: datumaro and labelformat.

Neither is needed by this project; where they are absent these tests are passed over.
"""

import warnings

import numpy as np
import pytest

from fashion.exchange.run import ExportSettings, export
from fashion.polygons.filling import polygons_to_mask
from tests.fashion.export_truth import HEIGHT, WIDTH, check, folder

PLACES = {
    "coco": ("annotations/instances_train.json", "coco_instances", 1.0),
    # Small objects lie on large ones in one picture.
    "voc": ("", "voc_instance_segmentation", 0.9),
    "cvat": ("", "cvat", 1.0),
}


@pytest.fixture
def data(tmp_path):
    return folder(tmp_path / "data")


def filled(rings):
    return polygons_to_mask([np.array(r, dtype=float) for r in rings], [], HEIGHT, WIDTH)


def masks_of(item, labels):
    """[(label, mask)] of a datumaro item; annotations of one group are one object."""
    groups = {}
    for number, one in enumerate(item.annotations):
        kind = type(one).__name__
        if kind == "Bbox" or labels[one.label] == "ignored":
            continue
        if kind == "Polygon":
            mask = filled([np.reshape(one.points, (-1, 2))])
        else:
            mask = np.asarray(one.image).astype(bool)
        key = one.group or f"alone {number}"
        former = groups.get(key, (None, np.zeros_like(mask)))[1]
        groups[key] = labels[one.label], former | mask
    return list(groups.values())


@pytest.mark.parametrize("form", PLACES)
def test_datumaro(tmp_path, data, form):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        datumaro = pytest.importorskip("datumaro", reason="needs the package datumaro")
        place, name, least = PLACES[form]
        export(data, tmp_path / form, ExportSettings(form, place="copy"))
        read = datumaro.Dataset.import_from(str(tmp_path / form / place), name)
        categories = read.categories()[datumaro.AnnotationType.label]
        labels = [category.name for category in categories]
        found = {f"{item.id}.jpg": masks_of(item, labels) for item in read}
    check(found, crowds=form != "voc", least=least, ordered=False)


def test_labelformat_reads_yolo(tmp_path, data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yolov8 = pytest.importorskip(
            "labelformat.formats.yolov8", reason="needs the package labelformat"
        )
        export(data, tmp_path / "yolo", ExportSettings("yolo-seg", place="copy"))
        reader = yolov8.YOLOv8InstanceSegmentationInput(tmp_path / "yolo" / "data.yaml", "train")
        found = {
            str(label.image.filename): [
                (one.category.name, filled(one.segmentation.polygons)) for one in label.objects
            ]
            for label in reader.get_labels()
        }
    check(found, crowds=False)
