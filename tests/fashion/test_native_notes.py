"""Standard error of a real process: native code's notes are left out, all else arrives."""

import subprocess
import sys

import pytest

from tests.support import REPOSITORY

NOTE = "I0000 00:00:1795629607.748375   28180 port.cc:153] oneDNN custom operations are on.\n"
CODE = f"""
import os, sys
from fashion.commands import run
from mrcnn.errors import UserError

def main():
    print("python's own", file=sys.stderr)
    os.write(2, {NOTE!r}.encode())
    os.write(2, b"native but no note\\n")
    if "fail" in sys.argv:
        raise UserError("It cannot be done.")

sys.exit(run(main))
"""


def process(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", CODE, *arguments],
        cwd=REPOSITORY,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "", **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "last"),
    [((), 0, "native but no note"), (("fail",), 2, "error: It cannot be done.")],
)
def test_notes_are_left_out_and_all_else_arrives(arguments, code, last):
    done = process(*arguments)
    assert done.returncode == code
    assert "oneDNN" not in done.stderr
    lines = done.stderr.splitlines()
    assert "python's own" in lines and "native but no note" in lines
    assert lines[-1] == last


def test_they_are_shown_on_request():
    assert "oneDNN" in process(TF_CPP_MIN_LOG_LEVEL="0").stderr
