import itertools
import json

import pytest
from skimage.color import rgb2lab

from fashion.json_files import write_json
from fashion.labels import (
    CODED_GARMENTS,
    MODANET,
    MODANET_TABLE,
    SEASON_LABELS,
    SEASON_TABLE,
    SEASONS,
    ClassTable,
    canonical_name,
    decode,
    fashion_code,
    known_table,
    named_table,
    parse_file_name,
    season_label,
    season_table,
)
from mrcnn.drawing.palette import class_colour
from mrcnn.errors import DatasetError


def test_modanet_has_its_thirteen_classes_in_order():
    assert MODANET_TABLE.names == MODANET
    assert [row.id for row in MODANET_TABLE] == list(range(1, 14))
    assert (MODANET_TABLE.id_of("bag"), MODANET_TABLE.id_of("scarf/tie")) == (1, 13)


def test_the_nine_season_labels_carry_the_codes_of_existing_files():
    assert [row.code for row in SEASON_TABLE] == ["32", "2", "8", "22", "5", "7", "9", "27", "31"]
    assert [SEASON_TABLE.find_code(code).name for code in (32, "2", 8.0)] == [
        "skirt_yaz",
        "bag_yaz",
        "footwear_sonb",
    ]


@pytest.mark.parametrize(
    ("garment", "season", "code"),
    [
        ("bag", "ilkb", 1),
        ("bag", "4mev", 5),
        ("footwear", "kis", 9),
        ("boots", "kis", 9),  # boots count as footwear
        ("dress", "4mev", 50),  # the last one
        ("belt", "yaz", None),  # outside of the scheme
        ("scarf & tie", "yaz", None),
    ],
)
def test_fashion_code(garment, season, code):
    assert fashion_code(garment, season) == code


def test_codes_are_1_to_50_and_decode_again():
    pairs = list(itertools.product(CODED_GARMENTS, SEASONS))
    assert [fashion_code(*pair) for pair in pairs] == list(range(1, 51))
    assert [decode(code) for code in range(1, 51)] == pairs


@pytest.mark.parametrize("code", [0, 51, "x", "", -3, None])
def test_decode_refuses_what_is_no_code(code):
    with pytest.raises(DatasetError, match="not a region code"):
        decode(code)


@pytest.mark.parametrize(("garment", "season"), [("sock", "yaz"), ("bag", "spring")])
def test_fashion_code_refuses_unknown_words(garment, season):
    with pytest.raises(DatasetError, match="those are"):
        fashion_code(garment, season)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bag_4mev_112.jpg", ("bag", "4mev")),
        ("Skirt_YAZ_1.JPG", ("skirt", "yaz")),  # case does not matter
        ("top_kis.png", ("top", "kis")),  # nothing behind the season
        ("boots_kis_a_b_c.jpeg", ("boots", "kis")),  # anything may follow
        ("folder/outer_sonb_3.jpg", ("outer", "sonb")),
        ("belt_yaz_1.jpg", ("belt", "yaz")),  # a garment, though without a code
    ],
)
def test_parse_file_name(name, expected):
    assert parse_file_name(name) == expected


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("bag.jpg", "form"),
        ("sock_yaz_1.jpg", "not a garment"),
        ("bag_spring_1.jpg", "not a season"),
        ("", "form"),
    ],
)
def test_parse_file_name_says_why_not(name, word):
    reason = parse_file_name(name)
    assert isinstance(reason, str)
    assert word in reason
    assert name in reason


@pytest.mark.parametrize(
    "text", ["scarf & tie", "scraf/tie", "scarf", "Scarf / Tie", " scarf/tie "]
)
def test_aliases(text):
    assert canonical_name(text) == "scarf/tie"


def test_unknown_names_have_no_canonical_form():
    assert canonical_name("sock") is None
    assert canonical_name("") is None


def test_season_label():
    assert season_label("boots", "kis") == "footwear_kis"
    assert season_label("belt", "kis") is None


def test_any_season_labels_make_a_table():
    table = season_table(["dress_kis", "bag_ilkb"])
    assert [(row.id, row.name, row.code) for row in table] == [
        (1, "dress_kis", "49"),
        (2, "bag_ilkb", "1"),
    ]
    with pytest.raises(DatasetError, match="season label"):
        season_table(["belt_yaz"])


@pytest.mark.parametrize("table", [MODANET_TABLE, SEASON_TABLE])
def test_colours_are_easy_to_distinguish(table):
    colours = rgb2lab([[[c / 255 for c in row.colour] for row in table]])[0]
    distances = [sum((a - b) ** 2) ** 0.5 for a, b in itertools.combinations(colours, 2)]
    assert min(distances) > 40  # 2.3 is just noticeable


def test_colours_are_stable_and_never_end():
    assert class_colour(1) == MODANET_TABLE[1].colour == SEASON_TABLE[1].colour
    assert class_colour(0) == (128, 128, 128)
    many = [class_colour(index) for index in range(1, 100)]
    assert len(set(many)) == 99
    assert all(0 <= part <= 255 for colour in many for part in colour)


def test_a_table_survives_its_file(tmp_path):
    path = tmp_path / "classes.json"
    for table in (MODANET_TABLE, SEASON_TABLE, ClassTable(["hat", "glove"])):
        write_json(path, table.to_json())
        assert ClassTable.from_file(path) == table


def test_a_table_file_may_be_a_list_of_names(tmp_path):
    path = tmp_path / "classes.json"
    path.write_text(json.dumps(["hat", {"name": "glove", "colour": "#010203", "code": 9}]))
    table = ClassTable.from_file(path)
    assert [(row.id, row.name, row.code) for row in table] == [(1, "hat", "1"), (2, "glove", "9")]
    assert table.colour_of(2) == (1, 2, 3)
    assert table.name_of(0) == "BG"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([], "at least one"),
        ({"names": []}, "not a class table"),
        (["a", "A"], "unique"),
        ([{"name": "a", "code": "2"}, "b"], "unique"),  # b's own code is 2
        ([{"name": ""}], "expected a name"),
        ([{"name": "a", "id": 5}], "1 to n"),
        ([{"name": "a", "colour": "red"}], "#rrggbb"),
        ([{"name": "a", "colour": [1, 2, 300]}], "#rrggbb"),
        ([{"name": "a", "aliases": "b"}], "aliases"),
    ],
)
def test_a_bad_table_file_says_what_is_wrong(tmp_path, data, reason):
    path = tmp_path / "classes.json"
    path.write_text(json.dumps(data))
    with pytest.raises(DatasetError, match=reason) as error:
        ClassTable.from_file(path)
    assert str(path) in str(error.value)


def test_named_table(tmp_path):
    assert named_table("modanet") is MODANET_TABLE
    assert named_table("Season") is SEASON_TABLE
    with pytest.raises(DatasetError, match="does not exist"):
        named_table(tmp_path / "nothing.json")


def test_the_table_that_has_all_labels():
    assert known_table(["boots", "scarf"]) is MODANET_TABLE
    assert known_table(["bag_yaz"]) is SEASON_TABLE
    assert known_table(["bag", "bag_yaz"]) is known_table(["sneaker"]) is None


def test_unknown_class_names_are_answered_with_the_known_ones():
    with pytest.raises(DatasetError, match="skirt_yaz, bag_yaz"):
        SEASON_TABLE.id_of("hat")
    for class_id in (0, 10, -1):
        with pytest.raises(KeyError):
            SEASON_TABLE[class_id]
    assert SEASON_TABLE.names == SEASON_LABELS
