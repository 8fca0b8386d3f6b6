#!/usr/bin/env python3
"""From a folder of photographs to a model of its own: label, look, correct, train, again.

    python3 tools/rounds.py DIR start --images=PHOTOGRAPHS --model=FILE.h5
    python3 tools/rounds.py DIR review
    python3 tools/rounds.py DIR train --epochs=10
    python3 tools/rounds.py DIR next
    python3 tools/rounds.py DIR status

`start` labels the photographs with a model and sets some apart to measure on. `review` serves a
page on this machine, with the pictures first that are most worth a look. `train` fine-tunes the
model on what was decided there, or corrected in another program and put into DIR/corrections; it
takes the options of trainModaNet.py. `next` labels the rest with the new model. DIR holds plain
files; every command can be stopped, even killed, and given again. See docs/rounds.md.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.terminal import run


def main(arguments: list[str] | None = None) -> int:
    """Do one step of the rounds."""
    from fashion.rounds.command import parse_arguments, run_rounds

    return run_rounds(parse_arguments(__doc__ or "", arguments))


if __name__ == "__main__":
    sys.exit(run(main))
