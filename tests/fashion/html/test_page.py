import base64
import html
import json

import cv2
import numpy as np
import pytest

from fashion.html.page import (
    embedded,
    escaped,
    fill,
    link,
    page_file,
    script_json,
    thumbnail,
)


def test_a_template_is_filled_in_one_pass():
    # What a part holds is data, even where it looks like a mark.
    assert fill("<b>/*A*/</b>/*B2*/", {"A": "/*B2*/", "B2": "two"}) == "<b>/*B2*/</b>two"


def test_a_template_without_marks_stays_as_it_is():
    assert fill("", {}) == ""
    assert fill("a /* b */ c", {}) == "a /* b */ c"


def test_a_mark_without_a_part_is_a_defect():
    with pytest.raises(KeyError, match="TITLE"):
        fill("/*TITLE*/", {"STYLE": ""})


@pytest.mark.parametrize("name", ["pipeline", "evaluation", "review", "parsing"])
def test_templates_hold_no_other_kind_of_mark(name):
    assert "{{" not in page_file(f"{name}.html")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("a & b", "a &amp; b"),
        ("<b title='\"'>", "&lt;b title=&#x27;&quot;&#x27;&gt;"),
        (7, "7"),
        ("skirt\udcff.jpg", "skirt\\udcff.jpg"),  # a file name that is not UTF-8
    ],
)
def test_text_is_escaped(text, shown):
    assert escaped(text) == shown


def test_json_cannot_end_the_script_that_holds_it():
    value = {"name": "</script><!--\u2028\u2029"}
    text = script_json(value)
    assert "<" not in text and "\u2028" not in text and "\u2029" not in text
    assert json.loads(text) == value


def test_links_are_seen_from_the_page_and_safe_in_an_attribute(tmp_path):
    page = tmp_path / "report" / "index.html"
    name = "a \"b\" & 'c' #1%.png"
    address = link(tmp_path / "pictures" / name, page)
    assert address.startswith("../pictures/a%20")
    assert html.escape(address, quote=True) == address


def decoded(address: str) -> np.ndarray:
    kind, data = address.split(",")
    assert kind == "data:image/jpeg;base64"
    return cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)[
        ..., ::-1
    ]


@pytest.mark.parametrize(
    ("shape", "size", "shown"),
    [
        ((80, 40), 20, (20, 10)),  # height, width: the longer side counts
        ((40, 80), 20, (10, 20)),
        ((30, 20), 100, (30, 20)),  # never enlarged
        ((1000, 1), 10, (10, 1)),  # never narrower than a pixel
    ],
)
def test_thumbnails(shape, size, shown):
    pixels = np.full((*shape, 3), (200, 100, 50), np.uint8)
    address, width, height = thumbnail(pixels, size)
    small = decoded(address)
    assert (height, width) == shown == small.shape[:2]
    assert np.abs(small.astype(int) - (200, 100, 50)).max() <= 4


def test_a_file_is_embedded_as_it_is():
    assert embedded(b"", "png") == "data:image/png;base64,"
    assert embedded(b"\x89P", "png") == "data:image/png;base64,iVA="
