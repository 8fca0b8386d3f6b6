"""What a weight file says of itself."""

import json

import numpy as np
import pytest

from mrcnn.weights.h5_reading import read_attributes
from mrcnn.weights.h5_writing import write_layers
from mrcnn.weights.provenance import ATTRIBUTE, Provenance

WHOLE = Provenance(
    preset="photo",
    classes=("bag", "çanta"),
    trained_on="700 street photographs",
    pictures="photographs",
    licence="Apache-2.0",
)


@pytest.mark.parametrize("said", [WHOLE, Provenance(), Provenance(licence="MIT")])
def test_it_comes_back_out_of_a_weight_file(tmp_path, said):
    layers = [("d", [("d/kernel:0", np.zeros((2, 2)))])]
    write_layers(tmp_path / "x.h5", layers, {**said.notes(), "another": "note"})
    assert Provenance.of_texts(read_attributes(tmp_path / "x.h5")) == said


def test_a_file_of_others_says_nothing():
    assert Provenance.of_texts({"backend": "tensorflow"}) == Provenance()
    assert Provenance().line() == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1]",
        "null",
        "[" * 100_000,
        '{"preset": 5, "classes": "bag", "licence": null}',
        '{"classes": ["bag", 5]}',
    ],
)
def test_unexpected_texts_count_as_absent(text):
    assert Provenance.of_texts({ATTRIBUTE: text}) == Provenance()


def test_unknown_entries_are_passed_over():
    text = json.dumps({"licence": "MIT", "epochs": 20})
    assert Provenance.of_texts({ATTRIBUTE: text}) == Provenance(licence="MIT")


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (WHOLE, "2 classes, trained on 700 street photographs, preset photo (Apache-2.0)"),
        (Provenance(licence="MIT"), "MIT"),
        (
            Provenance(preset="demo", pictures="drawings"),
            "preset demo; trained on drawings, not on photographs",
        ),
        (Provenance(trained_on="drawings\n\x1b[2J"), "trained on drawings\\n\\x1b[2J"),
    ],
)
def test_one_line_for_a_terminal(said, line):
    assert said.line() == line
