"""From a folder of photographs to a model for them: label, review, correct, train, repeat.

    %(prog)s DIR start --images=PHOTOGRAPHS --model=FILE.h5
    %(prog)s DIR review
    %(prog)s DIR train --epochs=10
    %(prog)s DIR next
    %(prog)s DIR status

`start` labels the photographs with a model and sets some apart to measure on. `review` serves a
page on this machine, starting with the pictures that the model is surest of. `train` fine-tunes the
model on what was decided there, or corrected in another program and put into DIR/corrections; it
accepts the options of trainModaNet.py. `next` labels the rest with the new model. DIR holds plain
files; every command can be stopped, even killed, and run again. See docs/rounds.md.
"""


def main(arguments: list[str] | None = None, prog: str | None = None) -> int:
    """Run one command of the rounds."""
    from fashion.rounds.command import parse_arguments, run_rounds

    return run_rounds(parse_arguments(__doc__ or "", arguments, prog))
