"""README's Python examples, run as they stand."""

import subprocess
import sys

import pytest
from PIL import Image

from tests.docs.test_links import blocks
from tests.stages.factory import draw_picture
from tests.support import REPOSITORY


@pytest.mark.slow
def test_examples_run(tmp_path):
    for name in ("picture.jpg", "photograph.jpg"):
        draw_picture(tmp_path / name)
    with Image.open(tmp_path / "picture.jpg") as picture:
        picture_size = picture.size
    examples = list(blocks(REPOSITORY / "README.md", "python"))
    assert len(examples) == 2
    for example in examples:
        subprocess.run([sys.executable, "-c", example], cwd=tmp_path, check=True)
        with Image.open(tmp_path / "found.png") as found:
            assert found.size == picture_size
        (tmp_path / "found.png").unlink()
