"""Training in several parts: which layers, until which epoch, at which learning rate."""

from dataclasses import dataclass

from mrcnn.errors import ConfigError

# (layers, share of all epochs after which the part ends, factor of the learning rate).
NAMED = {
    "matterport": (("heads", 0.25, 1.0), ("4+", 0.75, 1.0), ("all", 1.0, 0.1)),
    "scratch": (("all", 0.7, 1.0), ("all", 0.9, 0.1), ("all", 1.0, 0.01)),
}


@dataclass(frozen=True)
class Part:
    """A part of a training.

    Attributes:
        layers: as `MaskRCNN.train` takes them.
        until_epoch: it ends after so many epochs since the beginning of the training.
        learning_rate: of this part; constant, unless Config.LEARNING_RATE_SCHEDULE changes it.
    """

    layers: str
    until_epoch: int
    learning_rate: float


def parse_schedule(text: str | None, layers: str, epochs: int, learning_rate: float) -> list[Part]:
    """The parts of a training.

    Args:
        text: a name ('matterport': heads, then 4+, then all; 'scratch': all layers at falling
            rates), or parts such as `heads:40:0.001,4+:120:0.001,all:160:0.0001`; None for one
            part.
        layers: of the one part.
        epochs: the total, for names.
        learning_rate: of the first part, for names.

    Raises:
        ConfigError: the text is not a schedule.
    """
    if not text:
        return [Part(layers, epochs, learning_rate)]
    if text in NAMED:
        return [
            Part(name, max(1, round(share * epochs)), learning_rate * factor)
            for name, share, factor in NAMED[text]
        ]
    parts = [_part(piece, text) for piece in text.split(",")]
    ends = [part.until_epoch for part in parts]
    if ends != sorted(set(ends)):
        raise ConfigError(
            f"the epochs of {{schedule}} {text!r} must rise from part to part",
            settings=("schedule",),
        )
    return parts


def _part(piece: str, text: str) -> Part:
    # Split from the right: the layers may be a regular expression with colons.
    fields = piece.strip().rsplit(":", 2)
    try:
        layers, epoch, rate = fields[0], int(fields[1]), float(fields[2])
        if not layers or epoch < 1 or not 0 < rate < float("inf"):
            raise ValueError
    except (ValueError, IndexError):
        raise ConfigError(
            f"{piece!r} in {{schedule}} {text!r} is not a part of a schedule",
            settings=("schedule",),
            expected=f"layers:epochs:rate, such as heads:40:0.001, or one of {', '.join(NAMED)}",
        ) from None
    return Part(layers, epoch, rate)
