"""How many samples a training has of each label, and which labels have too few."""

from collections import Counter

from fashion.dataset import FashionDataset
from fashion.labels import ClassTable
from fashion.tables import text_table

# From here on a label is learnt at all; Matterport's balloon sample, a single class, had 61 images.
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
            f"labels are hardly learnt: add photographs, or leave them out (--class-table)."
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
    shown = ", ".join(f"{name} ({count} regions)" for name, count in labels.most_common(SHOWN))
    return f"{shown} and {len(labels) - SHOWN} others" if len(labels) > SHOWN else shown
