"""What a command prints, less what TensorFlow's native code says on every start."""

import pytest

from fashion.pipeline.process import run_process
from fashion.terminal import without_notes

NOTE = "I0000 00:00:1795629607.748375   28180 port.cc:153] oneDNN custom operations are on.\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("Epoch 1\n", "Epoch 1\n"),
        (NOTE, ""),
        ("Epoch 1: 0%" + NOTE + "Epoch 1: 9%", "Epoch 1: 0%Epoch 1: 9%"),  # no break before it
        ("WARNING: All log messages before absl::InitializeLog() are ...\nyes\n", "yes\n"),
        ("To enable the following instructions: AVX2 FMA, rebuild.\nyes\n", "yes\n"),
        ("I0000 is a code of ours\n", "I0000 is a code of ours\n"),
    ],
)
def test_notes_are_left_out(text, shown):
    assert without_notes(text) == (shown, "")


def test_a_note_that_comes_in_pieces_is_held_back():
    shown, held = without_notes("Epoch 1\n" + NOTE[:30], at_end=False)
    assert (shown, held) == ("Epoch 1\n", NOTE[:30])
    assert without_notes(held + NOTE[30:] + "on", at_end=False) == ("on", "")


def test_a_process_is_shown_and_kept_without_them(tmp_path, capsys):
    log = tmp_path / "log"
    code = f"import sys; print('begin'); sys.stderr.write({NOTE!r}); print('end'); sys.exit(3)"
    assert run_process(["-c", code], tmp_path, log, "python -c ...") == 3
    assert capsys.readouterr().out == "begin\nend\n"
    assert log.read_text() == "$ python -c ...\nbegin\nend\nexit code 3\n"
    assert run_process(["-c", ""], tmp_path, log, "nothing") == 0
