"""Which labels stage 2 trains: the nine, those of a file, or those that a weight file remembers."""

import argparse
import dataclasses
from pathlib import Path

from fashion.labels import (
    CODED_GARMENTS,
    SEASONS,
    ClassTable,
    named_table,
    season_table,
)
from fashion.stages import Stage, read_note, weights_path
from mrcnn.errors import DatasetError, WeightsNotFoundError

ALL_LABELS = tuple(f"{garment}_{season}" for garment in CODED_GARMENTS for season in SEASONS)


def add_class_table_argument(parser: argparse.ArgumentParser) -> None:
    """Add --class-table."""
    parser.add_argument(
        "--class-table",
        metavar="FILE",
        help='labels other than the nine: a JSON list such as ["bag_yaz", "dress_kis"], or all for '
        "the fifty that have a code (default: those that the weights were trained with, else the "
        "nine)",
    )


def choose_class_table(options: argparse.Namespace) -> None:
    """Give `options.stage` the labels of --class-table, or those the weights were trained with.

    Training keeps the labels of a checkpoint only where it resumes it (--model=last). Raises
    `DatasetError` for a file that is no class table.
    """
    stage: Stage = options.stage
    table: ClassTable | None = None
    if options.class_table:
        table = find_table(options.class_table)
    elif getattr(options, "command", None) != "train" or options.model == "last":
        table = remembered_table(options.model, stage, options.logs)
    if table is not None and table.names != stage.table.names:
        print(f"Labels: {', '.join(table.names)}")
        options.stage = dataclasses.replace(stage, table=table)


def find_table(text: str) -> ClassTable:
    """The class table that a user means: all, season, modanet, or the path of a JSON file.

    Labels `<garment>_<season>` get their region codes, whether the file has them or not.
    """
    if text.casefold() == "all":
        return season_table(ALL_LABELS)
    table = named_table(text)
    return _with_codes(table) if Path(text).is_file() else table


def remembered_table(
    model: str | Path | None, stage: Stage, logs: Path | None
) -> ClassTable | None:
    """The labels that weights were trained with; None where there are no weights, or no labels.

    `model` is a weight file, "last" for the latest checkpoint in `logs`, or None for the stage's.
    """
    wanted = model or stage.folder / stage.weights
    try:
        names = read_note(weights_path(wanted, stage, logs)).get("classes")
    except WeightsNotFoundError:
        return None  # who needs the weights says so
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        return None
    return table_of_labels(names)


def table_of_labels(names: list[str]) -> ClassTable:
    """A class table of these names, with region codes where they are season labels."""
    return _with_codes(ClassTable(names))


def _with_codes(table: ClassTable) -> ClassTable:
    try:
        coded = season_table(table.names)
    except DatasetError:
        return table
    rows = [
        dataclasses.replace(row, code=known.code) for row, known in zip(table, coded, strict=True)
    ]
    return ClassTable(rows, name=table.name)
