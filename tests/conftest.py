"""What all tests share: where temporary files go, and which files run first."""

import tempfile
from pathlib import Path

import pytest

# Sockets lie in it too, and their paths may have some hundred characters.
LONGEST = 64


# Beginnings of the paths of files that take half a minute and more. Processes take one file after
# the other; a long one that came last would keep one of them busy alone.
LONG = (
    "mrcnn/training/",
    "stages/",
    "fashion/evaluation/test_report",
    "mrcnn/test_forward",
    "mrcnn/network/test_build",
    "fashion/autolabel/",
    "fashion/demo/test_dataset",
    "mrcnn/inference/",
    "mrcnn/inspection/",
    "tools/",
)


def pytest_collection_modifyitems(items):
    """Long files first, the others in their order."""
    here = Path(__file__).parent
    for beginning in LONG:
        # After a move nothing would match, and the suite would only get slower.
        assert list(here.glob(f"{beginning}*")), f"{beginning}: no such tests"
    items.sort(key=lambda item: not item.path.relative_to(here).as_posix().startswith(LONG))


@pytest.fixture(scope="session", autouse=True)
def temporary_files(tmp_path_factory):
    """Temporary files of this process, and of those it starts, lie in a folder of pytest's.

    Killed processes leave theirs; pytest removes its folders after a few runs.
    """
    folder = str(tmp_path_factory.mktemp("t"))
    with pytest.MonkeyPatch.context() as patch:
        if len(folder) <= LONGEST:
            patch.setenv("TMPDIR", folder)
            patch.setattr(tempfile, "tempdir", folder)
        yield
