"""What the file beside an exported model says of it."""

import json

import pytest

from mrcnn.export.description import metadata
from tests.mrcnn.models import tiny_config


@pytest.mark.parametrize(
    ("resample", "exported"), [("exact", "exact"), ("aligned", "aligned"), ("guided", "aligned")]
)
@pytest.mark.parametrize("name", ["saved_model", "onnx"])
def test_masks_of_exported_models_are_not_guided_by_the_photograph(name, resample, exported):
    config = tiny_config(MASK_RESAMPLE=resample)
    text = metadata(name, "model", config, ["BG", "belt"], "mini", {})
    assert json.loads(text)["config"]["MASK_RESAMPLE"] == exported
    assert f"MASK_RESAMPLE = '{exported}'" in text


def test_a_model_without_classes():
    described = json.loads(metadata("onnx", "model.onnx", tiny_config(), [], "full", {"by": "me"}))
    assert (described["class_names"], described["by"]) == ([], "me")
