"""The workshop behind the parsing page, without a server."""

import io
import zipfile

import numpy as np
import pytest

from fashion.parsing.page.workshop import (
    KEPT,
    LONGEST_SIDE,
    Workshop,
    read_values,
    result_json,
    result_zip,
)
from mrcnn.errors import DatasetError
from tests.fashion.factories import picture_bytes as picture
from tests.fashion.parsing.page.parsing_page_process import find_garments, find_person


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "must be a JSON object"),
        ({"segments": 5}, "segments must be a number from 100 to 3000"),
        ({"segments": "900"}, "segments must be a number"),
        ({"compactness": float("nan")}, "compactness must be a number"),
        ({"confidence": True}, "confidence must be a number"),
        ({"confidence": None}, ""),
    ],
)
def test_settings_of_a_request(data, message):
    if not message:
        assert read_values(data) == {}
        return
    with pytest.raises(DatasetError, match=message):
        read_values(data)


def test_only_so_many_photographs_are_kept():
    workshop = Workshop(find_garments)
    tokens = [workshop.take_in(picture())[0] for _ in range(KEPT + 1)]
    assert len(set(tokens)) == KEPT + 1
    with pytest.raises(KeyError):
        workshop.find(tokens[0])
    assert workshop.find(tokens[1]).image.shape == (180, 120, 3)


def test_large_photographs_are_shrunk():
    _, photograph = Workshop(find_garments).take_in(picture(2 * LONGEST_SIDE, 200))
    assert photograph.image.shape == (100, LONGEST_SIDE, 3)
    assert photograph.shrunk_from == (2 * LONGEST_SIDE, 200)


def test_what_is_no_picture_is_refused_without_a_path():
    with pytest.raises(DatasetError, match=r"^The upload: not a readable image") as caught:
        Workshop(find_garments).take_in(b"no picture")
    assert "/" not in str(caught.value)


def test_a_parse_keeps_what_the_page_began_with():
    workshop = Workshop(find_garments)
    _, photograph = workshop.take_in(picture())
    assert photograph.result is None
    assert len(workshop.parse(photograph, {}).parsed.garments) == 3
    assert len(workshop.parse(photograph, {"confidence": 0.7}).parsed.garments) == 2
    assert photograph.result.settings.segments == workshop.settings.segments


def test_results():
    workshop = Workshop(find_garments, find_person)
    _, photograph = workshop.take_in(picture())
    result = workshop.parse(photograph, {})
    shown = result_json(result, workshop.table)
    assert (len(shown["garments"]), shown["persons"]) == (3, 1)
    assert shown["panels"] == list(result.panels)
    with zipfile.ZipFile(io.BytesIO(result_zip(result, workshop.table))) as archive:
        assert {"clothing.png", "clothing/parsing.json"} < set(archive.namelist())


def test_results_of_a_photograph_without_clothes():
    def nothing(image):
        none = {name: np.zeros(0) for name in ("class_ids", "scores", "rois")}
        return {**none, "masks": np.zeros((*image.shape[:2], 0), bool)}

    workshop = Workshop(nothing)
    _, photograph = workshop.take_in(picture())
    shown = result_json(workshop.parse(photograph, {}), workshop.table)
    assert (shown["garments"], shown["labels"], shown["persons"]) == ([], [], 0)
