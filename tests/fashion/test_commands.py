"""How a command ends."""

import os
import subprocess
import sys

import pytest

from fashion.terminal import run
from mrcnn.errors import UserError, WeightsNotFoundError
from tests.support import REPOSITORY


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (1, 1), (3, 3)])
def test_what_main_returns_is_the_exit_code(result, code):
    assert run(lambda: result) == code


@pytest.mark.parametrize("error", [UserError, WeightsNotFoundError])
def test_a_users_error_is_one_sentence_and_code_2(error, capsys):
    def main():
        raise error("x.h5 is damaged: fetch it again.")

    assert run(main) == 2
    captured = capsys.readouterr()
    assert captured.err == "error: x.h5 is damaged: fetch it again.\n"
    assert captured.out == ""


def test_a_defect_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 // 0)


def test_ctrl_c(capsys):
    def main():
        raise KeyboardInterrupt

    assert run(main) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_reader_that_has_seen_enough():
    code = (
        "import sys\n"
        "from fashion.terminal import run\n"
        "sys.exit(run(lambda: [print('x' * 100) for _ in range(10_000)] and 0))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "x" * 100 + "\n"
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=1800) == 0
    assert errors == ""


@pytest.mark.parametrize(("before", "after"), [(None, "3"), ("0", "0")])
def test_tensorflow_is_quiet_unless_the_user_wants_to_hear_it(monkeypatch, before, after):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", before or "")
    if before is None:
        monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    seen = []
    run(lambda: seen.append(os.environ.get("TF_CPP_MIN_LOG_LEVEL")))
    assert seen == [after]


def test_at_the_end_of_a_command_nothing_is_searched_for_garbage():
    """Looked at by a function that was registered before, and so runs after."""
    code = (
        "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 0));"
        "from fashion.commands import execute; execute('builtins:max', '', '')"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True)
    assert (shown.stdout.strip(), shown.stderr) == (b"True", b"")
