"""How many samples a training has of each label, and which labels have too few."""

from collections import Counter

from fashion.dataset import FashionDataset
from fashion.tables import text_table

# From here on a label is learnt at all; Matterport's balloon sample, a single class, had 61 images.
FEW_INSTANCES = 30
FEW_VALIDATION = 5
SHOWN = 8


def count_labels(dataset: FashionDataset) -> Counter[str]:
    """Instances of each label."""
    table = dataset.table
    return Counter(
        table.name_of(instance.class_id)
        for info in dataset.image_info
        for instance in info["instances"]
    )


def describe_labels(train: FashionDataset, validation: FashionDataset) -> str:
    """A table of each label's instances, and a warning for those with few, for a terminal."""
    counts, checks = count_labels(train), count_labels(validation)
    names = train.table.names
    rows = [[name, str(counts[name]), str(checks[name])] for name in names]
    lines = [text_table(["label", "train", "val"], rows)]
    few = [f"{name} ({counts[name]})" for name in names if counts[name] < FEW_INSTANCES]
    if few:
        lines.append(
            f"warning: fewer than {FEW_INSTANCES} instances to train on: {', '.join(few)}. What "
            f"has so few is hardly learnt: add photographs, or leave the label out (--class-table)."
        )
    unchecked = [name for name in names if counts[name] and checks[name] < FEW_VALIDATION]
    if unchecked:
        lines.append(
            f"warning: fewer than {FEW_VALIDATION} instances in val, so that figures for them mean "
            f"little: {', '.join(unchecked)}."
        )
    other = _labels_left_out(train)
    if other:
        lines.append(f"left out, not among the labels: {other}")
    return "\n".join(lines)


def _labels_left_out(dataset: FashionDataset) -> str:
    """Labels in the annotations that the class table does not have, with their regions."""
    marks = ('the label "', '" is not in the class table')
    counts = Counter(
        problem.reason.removeprefix(marks[0]).removesuffix(marks[1])
        for problem in dataset.problems
        if problem.reason.startswith(marks[0]) and problem.reason.endswith(marks[1])
    )
    shown = ", ".join(f"{name} ({count} regions)" for name, count in counts.most_common(SHOWN))
    return f"{shown} and {len(counts) - SHOWN} others" if len(counts) > SHOWN else shown
