"""The command line of clothing parsing."""

import argparse

import pytest

from fashion.parsing.command import add_server_arguments, add_truth_arguments, parse_pictures
from fashion.parsing.main import parse_arguments
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
