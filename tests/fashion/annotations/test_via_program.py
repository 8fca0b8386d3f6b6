"""What we write keeps its meaning when it goes through VIA's own imports and exports."""

import pytest

from fashion.annotations import coco_reading, via
from fashion.annotations.coco_writing import from_via
from fashion.annotations.instances import image_instances
from fashion.annotations.via_reading import from_json
from fashion.json_files import read_json
from fashion.labels import MODANET_TABLE, ClassTable
from mrcnn.errors import DatasetError
from tests.fashion.factories import coco_data, entry, region, write_json
from tests.fashion.via_program import ViaProgram

OWN = ClassTable(["bag", "sock", "cape"])
NAMES = ["dress", "bag", "scarf/tie"]


def annotated(names, files=("a.jpg",)):
    """Images with a region of each class."""
    regions = [region(label=name) for name in names]
    return from_json({name: entry(name, regions) for name in files})


def classes(annotations, table):
    """The class names that our readers see, in order; what they refuse is named."""
    found = []
    for image in annotations:
        instances, problems = image_instances(image, table)
        found += [table.name_of(one.class_id) for one in instances]
        found += [problem.reason for problem in problems]
    return found


@pytest.fixture
def written(tmp_path):
    """A function: the JSON of a VIA project that we write of some labels."""

    def write(*arguments, **options):
        via.write_project(tmp_path / "p.json", annotated(*arguments), **options)
        return read_json(tmp_path / "p.json")

    return write


@pytest.mark.parametrize(
    ("table", "names"), [(MODANET_TABLE, NAMES), (OWN, ["cape", "bag", "sock"])]
)
def test_our_coco_in_via(table, names):
    data = from_via(annotated(names), table=table).data
    program = ViaProgram().import_coco(data)
    assert [list(row.values()) for row in program.values()] == [[name] for name in names]
    (definition,) = program.attributes["region"].values()
    assert list(definition["options"].values()) == list(table.names)
    assert classes(from_json(program.save_project()), table) == names
    assert classes(coco_reading.read_images(program.export_coco("/pictures/")), table) == names


def test_numbers_that_via_exports_without_their_names():
    data = from_via(annotated(NAMES), table=MODANET_TABLE).data
    plain = from_json(ViaProgram().import_coco(data).export_json())
    assert classes(plain, MODANET_TABLE) == NAMES  # the numbers are codes
    data = from_via(annotated(["cape", "bag"]), table=OWN).data
    plain = from_json(ViaProgram().import_coco(data).export_json())
    assert classes(plain, OWN) == [
        'garment "3" is not in the class table',
        'garment "1" is not in the class table',
    ]
    # Ids of a foreign file are no codes, though the classes are ModaNet's.
    foreign = coco_data([{"category_id": 1}], categories=("dress",))
    back = from_via(coco_reading.to_via(foreign).annotations).data
    plain = from_json(ViaProgram().import_coco(back).export_json())
    assert classes(plain, MODANET_TABLE) == ['garment "1" is not in the class table']


def test_a_coco_file_without_info_is_none_for_via():
    with pytest.raises(ValueError, match="valid annotations in COCO"):
        ViaProgram().import_coco(coco_data([]))


@pytest.mark.parametrize("table", [None, OWN])
def test_our_project_in_via(written, table):
    names = ["bag", "cape"] if table else NAMES
    program = ViaProgram().load_project(written(names, table=table))
    assert [row["label"] for row in program.values()] == names
    assert all(program.table().values()), "every column says what it is for"
    back = coco_reading.read_images(program.export_coco())
    assert classes(back, table or MODANET_TABLE) == names
    assert classes(from_json(program.export_json()), table or MODANET_TABLE) == names


def test_projects_of_pictures_whose_names_begin_with_numbers(written):
    # VIA takes these for ids of COCO, and names of classes for its category ids.
    program = ViaProgram().load_project(written(NAMES, ("0012.jpg", "0013.jpg")))
    with pytest.raises(DatasetError, match='an entry of "categories" has no "id"'):
        coco_reading.read_images(program.export_coco())
    assert classes(from_json(program.save_project()), MODANET_TABLE) == NAMES * 2


def test_the_table_of_regions_shows_no_json(tmp_path):
    data = coco_data([{"bbox": [1, 2, 3, 4.5], "date": "today"}])
    via.write(tmp_path / "via.json", coco_reading.to_via(data).annotations)
    program = ViaProgram().import_json(read_json(tmp_path / "via.json"))
    assert set(program.table()) == {"label", "fashion", "instance"}
    assert not any("{" in text for row in program.values() for text in row.values())
    write_json(tmp_path / "saved.json", program.export_json())
    assert from_via(via.read(tmp_path / "saved.json")).data["annotations"] == data["annotations"]


def test_files_of_before_are_read():
    data = coco_data([{"date": "today"}])
    stored = via.to_json(coco_reading.to_via(data).annotations)
    for one in stored["7"]["regions"]:
        one["region_attributes"]["coco"] = one["shape_attributes"].pop("coco")
    assert from_via(from_json(stored)).data["annotations"] == data["annotations"]
