"""Which labels a stage trains, how many samples each has, and which have too few."""

import dataclasses
from collections import Counter
from pathlib import Path

from fashion.dataset import FashionDataset
from fashion.labels import (
    ALL_LABELS,
    SEASON_TABLE,
    ClassTable,
    named_table,
    season_table,
)
from fashion.stages.models import ModelChoice, described_weights
from fashion.terminal import text_table
from mrcnn.errors import DatasetError, WeightsNotFoundError, counted


def with_labels(choice: ModelChoice, classes: str | None, *, digest: bool = False) -> ModelChoice:
    """The choice with the labels of a class table, or those its weights were trained with.

    Args:
        choice: a model.
        classes: see `find_table`; None for the labels that the weight file names, else the
            stage's. The file is then read, and its description becomes `weights`.
        digest: see `describe_weights`.

    Raises:
        DatasetError: this is not a class table.
        WeightsError: the weight file is damaged.
    """
    if classes:
        return _with_table(choice, find_table(classes))
    try:
        weights = described_weights(choice, digest=digest)
    except WeightsNotFoundError:
        return choice  # whatever needs the weights raises it again
    choice = dataclasses.replace(choice, weights=weights)
    # Files name the classes of a stage without its aliases and codes.
    if weights.table is None or weights.table.names == choice.stage.table.names:
        return choice
    return _with_table(choice, with_codes(weights.table))


def _with_table(choice: ModelChoice, table: ClassTable) -> ModelChoice:
    print(f"Classes: {', '.join(table.names)}")
    return dataclasses.replace(choice, stage=dataclasses.replace(choice.stage, table=table))


def find_table(text: str) -> ClassTable:
    """The class table that a user means: all, season, modanet, or the path of a JSON file.

    Labels `<garment>_<season>` get their region codes, whether the file has them or not.
    """
    table = named_table(text)
    return with_codes(table) if Path(text).is_file() else table


def with_codes(table: ClassTable) -> ClassTable:
    """The table with region codes, where all its classes are season labels."""
    try:
        coded = season_table(table.names)
    except DatasetError:
        return table
    rows = [
        dataclasses.replace(row, code=known.code) for row, known in zip(table, coded, strict=True)
    ]
    return ClassTable(rows, name=table.name)


# The share of regions that may have labels that are not trained, before that is an error.
MOST_UNKNOWN = 0.1


def require_known_labels(dataset: FashionDataset, table: ClassTable, place: Path) -> None:
    """Raise `DatasetError` if too many regions were left out for labels not in the table.

    With the nine season labels as the table, labels that they leave out on purpose do not count.

    Args:
        dataset: as it was loaded with `table`.
        table: the classes.
        place: the folder of the data set, for the error.
    """
    unknown = Counter(problem.label for problem in dataset.problems if problem.label)
    if table == SEASON_TABLE:
        for label in ALL_LABELS:
            unknown.pop(label, None)
    dropped = unknown.total()
    regions = dropped + sum(len(info["instances"]) for info in dataset.image_info)
    if dropped > MOST_UNKNOWN * regions:
        raise DatasetError(
            f"the labels of {dropped:,} of {counted(regions, 'region')} are not among the "
            f"classes: {_some(unknown)}",
            path=place,
            settings=("classes", "drop_unknown"),
            advice="name all classes with {classes}, correct the labels, or leave these regions "
            "out with {drop_unknown}",
        )


# The fewest samples from which a label is learnt at all; Matterport's balloon sample, a single
# class, had 61 images.
FEW_INSTANCES = 30
FEW_VALIDATION = 5
SHOWN = 8


def count_labels(dataset: FashionDataset, table: ClassTable) -> Counter[str]:
    """Instances of each label of the table that the data set was loaded with."""
    return Counter(
        table.name_of(instance.class_id)
        for info in dataset.image_info
        for instance in info["instances"]
    )


def describe_labels(train: FashionDataset, validation: FashionDataset, table: ClassTable) -> str:
    """A table of each label's instances for a terminal, with warnings for labels that have few.

    table: the one that both data sets were loaded with.
    """
    counts, checks = count_labels(train, table), count_labels(validation, table)
    names = table.names
    rows = [[name, str(counts[name]), str(checks[name])] for name in names]
    lines = [text_table(["label", "train", "val"], rows)]
    few = [f"{name} ({counts[name]})" for name in names if counts[name] < FEW_INSTANCES]
    if few:
        lines.append(
            f"warning: fewer than {FEW_INSTANCES} instances to train on: {', '.join(few)}. Such "
            f"labels are hardly learnt: add photographs, or leave them out (--classes)."
        )
    unchecked = [name for name in names if counts[name] and checks[name] < FEW_VALIDATION]
    if unchecked:
        lines.append(
            f"warning: fewer than {FEW_VALIDATION} instances in val, so that figures for them mean "
            f"little: {', '.join(unchecked)}."
        )
    unknown = Counter(problem.label for problem in train.problems if problem.label)
    if unknown:
        lines.append(f"left out, not among the labels: {_some(unknown)}")
    return "\n".join(lines)


def _some(labels: Counter[str]) -> str:
    """The most frequent labels with their regions."""
    shown = ", ".join(
        f"{name} ({counted(count, 'region')})" for name, count in labels.most_common(SHOWN)
    )
    return f"{shown} and {len(labels) - SHOWN} others" if len(labels) > SHOWN else shown
