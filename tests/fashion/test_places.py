"""The files that come with the project are where `fashion` says, whoever imports it from where."""

import subprocess
import sys

import pytest

from fashion import DEMO_START, PACKAGE, PAGES, REPOSITORY
from tests import support


def test_the_repository_is_the_folder_above_the_package():
    assert support.REPOSITORY.resolve() == REPOSITORY
    assert (PACKAGE / "__init__.py").is_file()
    assert PACKAGE.parent == REPOSITORY


@pytest.mark.parametrize(
    "name", ["pipeline.html", "evaluation.html", "review.html", "parsing.html"]
)
def test_every_page_has_its_template(name):
    assert (PAGES / name).is_file()


def test_the_weights_of_the_demo_come_along():
    assert DEMO_START.is_file()


def test_no_module_finds_a_file_by_its_own_place():
    for path in sorted(PACKAGE.rglob("*.py")):
        if path != PACKAGE / "__init__.py":
            assert "__file__" not in path.read_text(encoding="utf-8"), path


def test_the_places_do_not_depend_on_the_working_directory(tmp_path):
    code = "import fashion; print(fashion.REPOSITORY)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(REPOSITORY)
