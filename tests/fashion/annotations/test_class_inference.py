import pytest

from fashion.annotations import via
from fashion.annotations.class_inference import FoundLabels, category_ids, infer_table
from fashion.labels import MODANET_TABLE, SEASON_TABLE, ClassTable
from mrcnn.errors import DatasetError
from tests.fashion.factories import entry, region


def survey(*regions):
    return FoundLabels.of(via.from_json({"x": entry("a.jpg", list(regions))}))


@pytest.mark.parametrize(
    ("labels", "table"),
    [
        (["bag", "scarf"], MODANET_TABLE),
        (["skirt_yaz"], SEASON_TABLE),
        (["bag", "hat"], ClassTable(["bag", "hat"])),
        ([], MODANET_TABLE),
    ],
)
def test_the_table_is_known_by_the_labels(labels, table):
    assert infer_table(survey(*(region(label=label) for label in labels)), None, "x") == table


def test_the_table_is_that_of_a_coco_file():
    like = {"categories": [{"id": 3, "name": "hat"}, {"id": 5, "name": "bag"}]}
    table = infer_table(survey(region(label="bag")), like, "x")
    assert table.names == ("hat", "bag")
    assert category_ids(survey(), table, like) == {"hat": 3, "bag": 5}


def test_codes_alone_do_not_name_a_table():
    with pytest.raises(DatasetError, match="x: its regions have codes but no labels; say which"):
        infer_table(survey(region(fashion="1")), None, "x")


def test_category_ids_are_the_codes_of_an_unknown_table():
    labels = survey(region(label="hat", fashion="7"), region(label="glove"))
    assert category_ids(labels, ClassTable(labels.names), None) == {"hat": 7, "glove": 2}
