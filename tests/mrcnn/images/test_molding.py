import numpy as np

from mrcnn.config import Config
from mrcnn.images import molding
from tests.support import golden, info

UTILS = golden("utils")
INFO = info(UTILS)


def test_mold_and_unmold_golden():
    molded = molding.mold_image(UTILS["ri_image_tiny"], Config())
    assert molded.dtype == INFO["mold_dtype"]
    np.testing.assert_array_equal(molded, UTILS["mold_image"])
    found = molding.unmold_image(molded, Config())
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, UTILS["unmold_image_of_mold"])
    found = molding.unmold_image(molded.astype(np.float32), Config())
    np.testing.assert_array_equal(found, UTILS["unmold_image_of_mold_f32"])


def compose_golden(**changes):
    arguments = {**INFO["compose_args"], **changes}
    active = UTILS[arguments.pop("active")]
    return molding.compose_image_meta(**arguments, active_class_ids=active)


def test_compose_and_parse_image_meta_golden():
    meta = compose_golden()
    assert meta.dtype == np.float64
    np.testing.assert_array_equal(meta, UTILS["compose_image_meta"])
    parsed = molding.parse_image_meta(np.stack([meta, meta]))
    assert set(parsed) == set(INFO["parse_image_meta"])
    for name, expected in INFO["parse_image_meta"].items():
        assert parsed[name].dtype == expected["dtype"]
        np.testing.assert_array_equal(parsed[name], np.array(expected["value"], expected["dtype"]))


def test_meta_of_an_image_that_was_not_resized_is_of_integers():
    assert compose_golden(scale=1).dtype == np.int64


def test_parse_image_meta_of_no_image():
    parsed = molding.parse_image_meta(np.zeros((0, 18)))
    assert parsed["active_class_ids"].shape == (0, 6)
    assert parsed["scale"].shape == (0,)
