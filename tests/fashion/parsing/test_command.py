"""The command line of clothing parsing."""

import argparse

import pytest

from fashion.parsing.command import add_server_arguments, add_truth_arguments


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
