"""Skin by range and by the face; faces and heads of a drawn person."""

import numpy as np

from fashion.parsing.settings import SKIN_RANGE, ParsingSettings
from fashion.parsing.skin import find_faces, heads, skin_by_range, skin_pixels
from tests.fashion.garment_pictures import (
    BODY_BOX,
    HAIR_BOX,
    HEAD_BOX,
    HEIGHT,
    PANTS_BOX,
    SKIN,
    TOP,
    TOP_BOX,
    WIDTH,
    box_mask,
    person_picture,
    window,
)

NO_LABELS = np.zeros((HEIGHT, WIDTH), np.uint8)
BODY = box_mask(BODY_BOX)


def test_the_range_takes_skin_and_leaves_cloth_and_wall():
    skin = skin_by_range(person_picture(), SKIN_RANGE)
    assert skin[20, 40]
    assert not skin[window(TOP_BOX)].any() and not skin[window(PANTS_BOX)].any()
    assert not skin[:, :20].any()


def test_both_ends_of_a_range_count():
    grey = np.full((1, 1, 3), 90, np.uint8)
    assert skin_by_range(grey, ((90, 90), (128, 128), (128, 128))).all()
    assert not skin_by_range(grey, ((91, 255), (0, 255), (0, 255))).any()


def test_the_face_is_the_skin_at_the_top_of_the_body():
    image = person_picture()
    image[70:100, 30:50] = SKIN  # a bare knee is not a face
    (face,) = find_faces(image, BODY, NO_LABELS, ParsingSettings())
    assert face.box == (12, *HEAD_BOX[1:])
    assert face.skin.sum() == 14 * 16


def test_two_persons_have_two_faces():
    image = np.hstack([person_picture(), person_picture()])
    body = np.hstack([BODY, BODY])
    faces = find_faces(image, body, np.hstack([NO_LABELS] * 2), ParsingSettings())
    assert sorted(face.box[1] for face in faces) == [32, 112]


def test_no_face_without_body_skin_or_where_a_garment_is():
    image = person_picture()
    settings = ParsingSettings()
    assert find_faces(image, None, NO_LABELS, settings) == []
    assert find_faces(image, np.zeros_like(BODY), NO_LABELS, settings) == []
    assert find_faces(np.zeros_like(image), BODY, NO_LABELS, settings) == []
    assert find_faces(image, BODY, np.full_like(NO_LABELS, TOP), settings) == []


def test_the_face_distinguishes_skin_from_cloth_that_the_range_takes_for_it():
    image = person_picture()
    image[70:80, 30:40] = SKIN
    image[window(TOP_BOX)] = (200, 180, 165)  # pale wool: skin to the range, not to the face
    faces = find_faces(image, BODY, NO_LABELS, ParsingSettings())
    by_range = skin_pixels(image, faces, ParsingSettings())
    by_face = skin_pixels(image, faces, ParsingSettings(skin="face"))
    assert by_range[40, 40] and not by_face[40, 40]
    assert by_range[75, 35] and by_face[75, 35]


def test_without_a_face_the_range_decides_and_off_is_off():
    image = person_picture()
    expected = skin_by_range(image, SKIN_RANGE)
    np.testing.assert_array_equal(skin_pixels(image, [], ParsingSettings(skin="face")), expected)
    assert not skin_pixels(image, [], ParsingSettings(skin="off")).any()


def test_the_head_holds_the_hair_and_not_the_chest():
    faces = find_faces(person_picture(), BODY, NO_LABELS, ParsingSettings())
    head = heads(faces, (HEIGHT, WIDTH))
    assert head[window(HAIR_BOX)].all()
    assert not head[30:].any()
    assert not heads([], (HEIGHT, WIDTH)).any()
