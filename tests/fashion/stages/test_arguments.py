"""The options that choose a model."""

import argparse
from pathlib import Path

import pytest

from fashion.stages.arguments import add_model_arguments, model_choice, of_presets
from fashion.stages.models import ModelChoice
from fashion.stages.stage import MODANET_STAGE


def parse(*arguments):
    parser = argparse.ArgumentParser()
    add_model_arguments(parser, MODANET_STAGE, "what it is")
    parser.add_argument("--logs", type=Path)
    return parser.parse_args(arguments)


@pytest.mark.parametrize("option", ["--model", "--weights", "--weigths"])
def test_three_spellings_of_one_option(option):
    assert model_choice(parse(f"{option}=x.h5")) == ModelChoice(MODANET_STAGE, "x.h5")


def test_all_options():
    arguments = "--preset=demo --precision=float32 --resize-mode=fit64 --min-confidence=.5 --logs=l"
    assert model_choice(parse("--model=last", *arguments.split())) == ModelChoice(
        MODANET_STAGE,
        weights="last",
        preset="demo",
        precision="float32",
        min_confidence=0.5,
        resize_mode="fit64",
        logs=Path("l"),
    )


def test_defaults_of_presets_are_words_that_a_person_understands():
    assert of_presets("layers") == (
        "(default: heads; demo: all; photo: all but stem, first levels and depthwise kernels)"
    )
    assert of_presets("epochs").startswith("(default: 75; ")
