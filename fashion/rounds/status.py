"""The table of the rounds."""

from collections import Counter
from typing import Any

from fashion.annotations.instances import group_regions
from fashion.json_files import read_json
from fashion.rounds.decided import read_decided
from fashion.rounds.folder import RoundsFolder
from fashion.rounds.labelling import proposed
from fashion.terminal import text_table
from mrcnn.errors import counted

HEAD = ("round", "decided", "labels", "decisions", "review min", "AP", "AP50", "machine min")


def status_text(folder: RoundsFolder) -> str:
    """What `status` prints: one row per round, and what to do next.

    `decided` counts pictures, `labels` their labels, both up to that round; AP is that of the
    round's model on the reviewed hold-out. Raises `DatasetError` for a bad file.
    """
    state = read_decided(folder)
    rounds = folder.rounds()
    pictures = Counter(state.rounds[name] for name in state.pictures)
    labels: Counter[int] = Counter()
    for name, image in state.pictures.items():
        labels[state.rounds[name]] += len(group_regions(image.regions))
    rows = []
    for one in rounds:
        result = read_json(one.result) if one.result.exists() else {}
        figures = result.get("figures", {})
        minutes = read_json(one.queue)["minutes"] + result.get("minutes", 0)
        upto = range(1, one.number + 1)
        rows.append(
            [
                str(one.number),
                str(sum(pictures[number] for number in upto)),
                str(sum(labels[number] for number in upto)),
                str(state.decisions[one.number]),
                f"{state.minutes[one.number]:.1f}",
                _figure(figures, "AP"),
                _figure(figures, "AP50"),
                f"{minutes:.1f}",
            ]
        )
    if not rows:
        return "The first round is not labelled yet: resume with start."
    last = rounds[-1]
    these = proposed(folder, last)
    left = [name for name in these if name not in state.pictures]
    holdout = folder.settings.holdout
    reviewed = sum(name in state.pictures for name in holdout)
    lines = [text_table(HEAD, rows), f"Hold-out: {reviewed} of {len(holdout)} pictures reviewed."]
    if state.waiting:
        lines.append(
            f"Waiting for a correction: {counted(len(state.waiting), 'picture')}. Open "
            f"{last.to_correct} in VIA, and save it into {folder.corrections}."
        )
    if last.result.exists():
        lines.append("Next: next, which labels the rest with the new model.")
    elif last.dataset.exists():
        lines.append("Next: train, which has begun.")
    elif not these:
        lines.append("No picture is left for another round.")
    elif not left:
        lines.append("Next: train, all proposed pictures are decided.")
    else:
        lines.append(
            f"Next: review ({counted(len(left), 'proposed picture')} undecided), then train."
        )
    return "\n".join(lines)


def _figure(figures: dict[str, Any], name: str) -> str:
    return f"{figures[name]:.3f}" if name in figures else "-"
