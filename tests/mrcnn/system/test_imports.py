"""Packages that imports do without for a while."""

import importlib
import sys

import pytest

from mrcnn.system.imports import modules_left_out


def test_a_package_is_missing_within_the_block_only(monkeypatch):
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    with modules_left_out("wave"), pytest.raises(ImportError):
        importlib.import_module("wave")
    assert importlib.import_module("wave").__name__ == "wave"


def test_what_is_loaded_stays():
    with modules_left_out("json", "sys"):
        assert importlib.import_module("json") is sys.modules["json"]
    assert "json" in sys.modules


def test_nothing_left_out_changes_nothing():
    before = set(sys.modules)
    with modules_left_out():
        pass
    assert set(sys.modules) == before
