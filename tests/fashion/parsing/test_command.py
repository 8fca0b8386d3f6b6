"""The command line of clothing parsing."""

import argparse

import pytest

from fashion.labels import MODANET_TABLE, ClassTable
from fashion.parsing.command import (
    add_server_arguments,
    add_truth_arguments,
    parse_pictures,
    settings_of,
)
from fashion.parsing.main import parse_arguments
from fashion.parsing.settings import ParsingSettings
from fashion.stages.presets import find_preset
from fashion.terminal import OPTIONS
from mrcnn.errors import DatasetError


def test_options_of_the_page():
    parser = argparse.ArgumentParser()
    add_server_arguments(parser)
    assert not parser.parse_args([]).serve
    assert parser.parse_args(["--serve", "--port", "0"]).port == 0
    with pytest.raises(SystemExit):
        parser.parse_args(["--port", "70000"])


def test_options():
    parser = argparse.ArgumentParser()
    add_truth_arguments(parser)
    options = parser.parse_args(["--truth", "via.json", "--tolerance", "0.01"])
    assert options.truth.name == "via.json" and options.tolerance == 0.01
    with pytest.raises(SystemExit):
        parser.parse_args(["--tolerance", "1"])


def test_missing_pictures_and_missing_weights_are_told_together(tmp_path):
    options = parse_arguments(
        [f"--images={tmp_path / 'no'}", f"--output={tmp_path}", "--model=x.h5"]
    )
    assert options.images == parse_arguments([str(tmp_path / "no")]).images
    with pytest.raises(DatasetError) as both:
        parse_pictures(options)
    assert "choose another with --images. Also, x.h5: there" in both.value.sentence(OPTIONS)
    assert "another with --clothing" in both.value.sentence(OPTIONS)


def test_what_the_weights_preset_does_unlike_the_defaults():
    options, own = parse_arguments(["a.png", "--output=out"]), find_preset("photo").parsing
    assert settings_of(options) == ParsingSettings()
    photo = settings_of(options, MODANET_TABLE, own)
    assert (photo.agreement, photo.completion_distance) == (0.8, 6.0)
    assert photo.pixel_classes == ("belt", "sunglasses", "boots", "footwear")
    assert photo.minimum_confidence == 0  # detection has left out what is less sure
    assert settings_of(options, ClassTable(["belt", "hat"]), own).pixel_classes == ("belt",)


def test_the_command_line_wins_over_the_preset():
    options = parse_arguments(
        ["a.png", "--output=out", "--agreement=0.6", "--completion-distance=0", "--pixel-classes="]
    )
    settings = settings_of(options, MODANET_TABLE, find_preset("photo").parsing)
    assert (settings.agreement, settings.completion_distance) == (0.6, 0)
    assert settings.pixel_classes == ()
