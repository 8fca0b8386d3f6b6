"""Temporary files of tests, and of the processes that they start, are pytest's to remove."""

import subprocess
import sys
import tempfile

import pytest

from tests.conftest import LONGEST


def test_temporary_files_lie_in_pytests_folder(tmp_path_factory):
    if len(str(tmp_path_factory.getbasetemp())) + 3 > LONGEST:
        pytest.skip("the paths of sockets would be too long here")
    ask = "import tempfile; print(tempfile.gettempdir())"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == tempfile.gettempdir()
    assert tempfile.gettempdir().startswith(str(tmp_path_factory.getbasetemp()))
