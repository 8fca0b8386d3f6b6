"""What all tests share: where temporary files go."""

import tempfile

import pytest

# Sockets lie in it too, and their paths may have some hundred characters.
LONGEST = 64


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
