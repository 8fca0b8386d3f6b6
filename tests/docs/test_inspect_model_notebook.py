"""The notebook docs/inspect_model.ipynb runs from its first cell to its last.

A notebook is JSON, and its cells are plain Python: they are run here one after the other in one
namespace, as Jupyter would, without Jupyter being installed. The value of a cell's last line, which
Jupyter would display, is looked at.
"""

import ast
import json

import numpy as np
import pytest
from PIL import Image

from tests.support import REPOSITORY

# All cells take half a minute; what they call has quick tests of its own.
pytestmark = pytest.mark.slow

NOTEBOOK = REPOSITORY / "docs" / "inspect_model.ipynb"


def cells(kind):
    stored = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in stored if cell["cell_type"] == kind]


def run_cell(source, namespace):
    """Run a cell; the value of its last line where that is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, str(NOTEBOOK), "exec"), namespace)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), str(NOTEBOOK), "eval"), namespace)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """The namespace after all cells, and the value of each."""
    import tempfile

    import matplotlib

    before = tempfile.tempdir, matplotlib.get_backend()
    tempfile.tempdir = str(tmp_path_factory.mktemp("notebook"))
    matplotlib.use("Agg")
    try:
        namespace = {"__name__": "__main__"}
        values = [run_cell("".join(cell["source"]), namespace) for cell in cells("code")]
        return namespace, values
    finally:
        tempfile.tempdir = before[0]
        matplotlib.use(before[1])


def test_every_picture_shows_something(outcome):
    pictures = [value for value in outcome[1] if isinstance(value, Image.Image)]
    assert len(pictures) == 16
    for picture in pictures:
        assert np.asarray(picture.convert("RGB")).std() > 5


def test_the_network_learns_what_the_text_says(outcome):
    namespace, _ = outcome
    assert namespace["history"][-1]["loss"] < namespace["history"][0]["loss"] / 2
    figures = namespace["proposals"].figures()
    assert figures["after NMS"]["recall_50"] == 1
    assert figures["refined"]["recall_70"] >= figures["anchors by score"]["recall_70"]
    assert len(namespace["detections"].kept) >= 2
    assert namespace["rois"].candidates > 3


def test_the_two_sets_of_anchors_differ_as_the_text_says(outcome):
    namespace, _ = outcome
    assert namespace["fit"].sentence().startswith("The anchors fit well")
    assert namespace["bad_fit"].sentence().startswith("The anchors fit badly")


def test_the_notebook_is_stored_without_outputs():
    for cell in cells("code"):
        assert cell["outputs"] == [] and cell["execution_count"] is None
    ids = [cell["id"] for kind in ("code", "markdown") for cell in cells(kind)]
    assert len(set(ids)) == len(ids)
    assert NOTEBOOK.stat().st_size < 50_000
