"""Statistics of weights, and which of them look wrong."""

import numpy as np
import pytest

from mrcnn.inspection.weight_statistics import (
    alarming,
    file_statistics,
    model_statistics,
    table_rows,
    verdict,
    weight_statistics,
)
from mrcnn.weights.h5_writing import write_layers
from mrcnn.weights.matching import save_weights
from tests.mrcnn.models import recipe_model, tiny_config

NORMAL = np.random.default_rng(0).normal(0, 0.1, (3, 3, 4, 8)).astype(np.float32)


def changed(index, value, values=NORMAL):
    values = values.copy()
    values[index] = value
    return values


@pytest.mark.parametrize(
    ("name", "values", "alarm"),
    [
        ("conv1/kernel:0", NORMAL, ""),
        ("conv1/kernel:0", np.zeros((3, 3, 4, 8)), "all zero"),
        ("conv1/kernel:0", np.full((3, 3, 4, 8), 0.5), "dead?"),
        ("conv1/kernel:0", np.float32([[0.5]]), ""),  # a single number is always constant
        ("conv1/kernel:0", changed(np.s_[0, 0, 0, 0], 2000), "overflow?"),
        ("conv1/kernel:0", changed(np.s_[0, 0, 0, 0], np.nan), "not finite"),
        ("conv1/kernel:0", changed(np.s_[0, 0, 0, 0], np.inf), "not finite"),
        ("conv1/kernel:0", changed(np.s_[..., 2:4], 0), "2 of 8 outputs dead"),
        ("conv1/kernel:0", changed(np.s_[:, :, 1], 0), ""),  # an input that counts for nothing
        ("mrcnn_mask_deconv/kernel:0", changed(np.s_[:, :, 1], 0), "1 of 4 outputs dead"),
        ("conv1/bias:0", np.zeros(8), ""),
        ("bn1/gamma:0", np.zeros(8), "all zero"),
        ("bn1/beta:0", np.zeros(8), ""),
        ("bn1/moving_variance:0", np.full(8, 5e4), ""),  # of unscaled pixels
        ("bn1/moving_variance:0", np.full(8, 1e9), "overflow?"),
        ("conv1/kernel:0", np.zeros((3, 3, 0, 8)), ""),
    ],
)
def test_alarms(name, values, alarm):
    assert weight_statistics("layer", name, values).alarm == alarm


def test_what_was_never_trained_is_remarked_but_no_alarm():
    for name, value in (("bn1/gamma:0", 1), ("bn1/beta:0", 0), ("conv1/bias:0", 0)):
        assert weight_statistics("x", name, np.full(4, value)).remark == "as initialised"
    assert weight_statistics("x", "conv1/bias:0", np.arange(4)).remark == ""


def test_figures_are_those_of_the_finite_values():
    found = weight_statistics("x", "x/kernel:0", np.float32([1, 2, 3, np.nan]))
    assert (found.minimum, found.maximum, found.mean) == (1, 3, 2)
    assert found.std == pytest.approx(np.std([1, 2, 3]))


def test_a_model_and_its_file_say_the_same(tmp_path):
    model = recipe_model("inference", tiny_config())
    save_weights(model, tmp_path / "x.h5")
    of_file = file_statistics(tmp_path / "x.h5")
    assert of_file == model_statistics(model)
    by_name = {weight.name: weight for weight in of_file}
    shared = by_name["rpn_conv_shared/kernel:0"]
    assert shared.layer == "rpn_model" and shared.shape == (3, 3, 16, 16)
    assert not alarming(of_file)
    assert verdict(of_file) == (
        f"{len(of_file)} weights: none is dead, zero, not finite or beyond any usual size."
    )


def test_verdict_and_table_name_what_is_wrong(tmp_path):
    weights = [("a/kernel:0", np.zeros((2, 2))), ("a/bias:0", np.zeros(2))]
    write_layers(tmp_path / "x.h5", [("a", weights)])
    statistics = file_statistics(tmp_path / "x.h5")
    text = verdict(statistics)
    assert "2 weights: 1 look wrong: a/kernel:0 (all zero)." in text
    assert "Biases and batch norms as they were initialised: 1," in text
    head, *rows = table_rows(statistics)
    assert {len(row) for row in rows} == {len(head)}
    assert rows[0][:2] == ["a/kernel:0", "2x2"] and rows[0][-1] == "*** all zero"
    assert rows[1][-1] == "as initialised"


def test_no_weights_at_all(tmp_path):
    write_layers(tmp_path / "x.h5", [("input", [])])
    assert file_statistics(tmp_path / "x.h5") == []
    assert verdict([]).startswith("0 weights") and len(table_rows([])) == 1
