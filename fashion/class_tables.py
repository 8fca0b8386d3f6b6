"""Which labels stage 2 trains: the nine, those of a file, or those that a weight file remembers."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from fashion.labels import (
    CODED_GARMENTS,
    SEASONS,
    ClassTable,
    named_table,
    season_table,
)
from fashion.stages import ModelChoice, described_weights
from mrcnn.errors import DatasetError, WeightsNotFoundError

ALL_LABELS = tuple(f"{garment}_{season}" for garment in CODED_GARMENTS for season in SEASONS)


def with_labels(choice: ModelChoice, class_table: str | None) -> ModelChoice:
    """The choice with the labels of a class table, or those its weights were trained with.

    Args:
        choice: a model of stage 2.
        class_table: see `find_table`; None for the labels that the weight file names, else the
            stage's. The file is then read, and its description becomes `weights`.

    Raises:
        DatasetError: this is not a class table.
        WeightsError: the weight file is damaged.
    """
    if class_table:
        return _labelled(choice, find_table(class_table))
    try:
        weights = described_weights(choice)
    except WeightsNotFoundError:
        return choice  # whoever needs the weights raises it again
    choice = dataclasses.replace(choice, weights=weights)
    return _labelled(choice, table_of_labels(weights.classes)) if weights.classes else choice


def _labelled(choice: ModelChoice, table: ClassTable) -> ModelChoice:
    if table.names == choice.stage.table.names:
        return choice
    print(f"Labels: {', '.join(table.names)}")
    return dataclasses.replace(choice, stage=dataclasses.replace(choice.stage, table=table))


def find_table(text: str) -> ClassTable:
    """The class table that a user means: all, season, modanet, or the path of a JSON file.

    Labels `<garment>_<season>` get their region codes, whether the file has them or not.
    """
    if text.casefold() == "all":
        return season_table(ALL_LABELS)
    table = named_table(text)
    return _with_codes(table) if Path(text).is_file() else table


def table_of_labels(names: Sequence[str]) -> ClassTable:
    """A class table of these names, with region codes where they are season labels."""
    return _with_codes(ClassTable(list(names)))


def _with_codes(table: ClassTable) -> ClassTable:
    try:
        coded = season_table(table.names)
    except DatasetError:
        return table
    rows = [
        dataclasses.replace(row, code=known.code) for row, known in zip(table, coded, strict=True)
    ]
    return ClassTable(rows, name=table.name)
