"""Standard error of a real process: native code's notes are left out, the rest arrives."""

import subprocess
import sys

import pytest

from tests.support import REPOSITORY

NOTE = "I0000 00:00:1795629607.748375   28180 port.cc:153] oneDNN custom operations are on.\n"
CODE = f"""
import os, sys
from fashion.terminal import run
from mrcnn.errors import UserError

def main():
    print("python's own", file=sys.stderr)
    os.write(2, {NOTE!r}.encode())
    os.write(2, b"native but no note\\n")
    if "fail" in sys.argv:
        raise UserError("It cannot be done.")

sys.exit(run(main))
"""


def process(*arguments, code=CODE, **environment):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=REPOSITORY,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "", **environment},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "last"),
    [((), 0, "native but no note"), (("fail",), 2, "error: It cannot be done.")],
)
def test_notes_are_left_out_and_the_rest_arrives(arguments, code, last):
    done = process(*arguments)
    assert done.returncode == code
    assert "oneDNN" not in done.stderr
    lines = done.stderr.splitlines()
    assert "python's own" in lines and "native but no note" in lines
    assert lines[-1] == last


def test_they_are_shown_on_request():
    assert "oneDNN" in process(TF_CPP_MIN_LOG_LEVEL="0").stderr


ANY_ORDER = f"""
import contextlib, io, os, sys
from fashion.terminal import native_notes_left_out

former = sys.stderr
notes, redirected = native_notes_left_out(), contextlib.redirect_stderr(io.StringIO())
notes.__enter__()
os.write(2, {NOTE!r}.encode())
redirected.__enter__()
notes.__exit__(None, None, None)
print("nobody sees this", file=sys.stderr)
redirected.__exit__(None, None, None)
print("python's own", file=sys.stderr)
os.write(2, b"native, " + {NOTE!r}.encode())
with native_notes_left_out(), native_notes_left_out():
    pass
"""


def test_standard_error_is_given_back_in_any_order_of_closing():
    done = process(code=ANY_ORDER)
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"python's own\nnative, {NOTE}"


WITHIN = """
import os, sys
from fashion.terminal import run

former = sys.stdout.errors, sys.stderr, dict(os.environ)
run(lambda: print("f\\xfcr"))
assert (sys.stdout.errors, sys.stderr, dict(os.environ)) == former
print("f\\xfcr")
"""


def test_a_command_leaves_streams_and_environment_as_they_were():
    done = process(code=WITHIN, PYTHONIOENCODING="ascii:strict")
    assert done.stdout == "f\\xfcr\n"
    assert "UnicodeEncodeError" in done.stderr
