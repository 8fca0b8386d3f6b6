"""The constraints under which `make test-lowest` installs."""

import runpy

import pytest

from tests.support import REPOSITORY

SCRIPT = runpy.run_path(str(REPOSITORY / ".ci" / "lowest_versions.py"))


@pytest.mark.parametrize(
    ("line", "constraint"),
    [
        ("numpy>=1.26", "numpy==1.26.*"),
        ("keras>=3.8,<4", "keras==3.8.*"),
        ("opencv-python >= 4.10, <4.13", "opencv-python==4.10.*"),
        ("pycocotools>=2.0.8", "pycocotools==2.0.8"),
    ],
)
def test_the_lowest_version_of_a_range(line, constraint):
    assert SCRIPT["lowest"](line) == constraint


def test_a_requirement_without_a_lowest_version_is_refused():
    with pytest.raises(ValueError, match="'numpy<3' names no lowest version"):
        SCRIPT["lowest"]("numpy<3")


def test_comments_and_empty_lines_are_passed_over():
    assert SCRIPT["constraints"]("# why\n\ntqdm>=4.66  # bars\n") == ["tqdm==4.66.*"]


def test_every_requirement_of_ours_has_one():
    found = SCRIPT["constraints"]((REPOSITORY / "requirements.txt").read_text())
    assert len(found) > 10 and "tensorflow==2.18.*" in found
