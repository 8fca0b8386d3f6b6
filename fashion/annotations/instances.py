"""Instances: the regions of an annotated image, put together and named by a class table.

Everything that uses annotations (the data set, the statistics, the COCO writer) sees a garment in
this form.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fashion.annotations.annotated import (
    AnnotatedImage,
    Region,
    attribute_text,
    is_true,
)
from fashion.annotations.problems import Problem
from fashion.annotations.vocabulary import LABEL_ATTRIBUTES, OTHER_ATTRIBUTES, Vocabulary
from fashion.labels import SEASON_TABLE, ClassTable, GarmentClass


@dataclass(slots=True)
class Instance:
    """One garment: outlines to fill and outlines to cut out, float64 [n, 2] x and y each.

    `class_id` is the class table's, 1 to n. `identity` is the `instance` value ("" if none),
    `score` an automatic label's. A crowd is several garments in one outline. `numbers` are those
    of its regions in the image, from 1.
    """

    class_id: int
    parts: list[np.ndarray]
    holes: list[np.ndarray] = field(default_factory=list)
    identity: str = ""
    score: float | None = None
    crowd: bool = False
    numbers: list[int] = field(default_factory=list)


class LabelError(ValueError):
    """A region whose class is not known; the message is only the reason.

    `label` is its label if that is not in the class table.
    """

    def __init__(self, reason: str, label: str | None = None) -> None:
        super().__init__(reason)
        self.label = label


def region_class(
    attributes: Mapping[str, Any], table: ClassTable, vocabulary: Vocabulary | None = None
) -> GarmentClass:
    """The class that `region_attributes` name, by `table`. Raises `LabelError`.

    `label`, where there is one, must be a name or alias of the table. Otherwise `class` and `name`
    are tried, then `fashion` as a name or a code, then the attribute that `vocabulary` chooses for
    the whole file; several that name different classes are an error. The file's own options say
    what a number means. A VIA checkbox counts by its ticked option.
    """
    vocabulary = vocabulary or Vocabulary.of_region(attributes)
    label = vocabulary.text("label", attributes.get("label"))
    for name in LABEL_ATTRIBUTES:
        row = vocabulary.find(name, attributes.get(name), table)
        if row is not None:
            return row
        if name == "label" and label:
            raise LabelError(f'the label "{label}" is not in the class table', label)
    return _chosen_attribute(attributes, table, vocabulary)


def _chosen_attribute(
    attributes: Mapping[str, Any], table: ClassTable, vocabulary: Vocabulary
) -> GarmentClass:
    found = {}
    for name in vocabulary.class_attributes(table):
        row = vocabulary.find(name, attributes.get(name), table)
        if row is not None:
            found[row.id] = row
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        names = ", ".join(row.name for row in found.values())
        raise LabelError(f"its attributes name several classes: {names}")
    raise LabelError(_why_unknown(attributes, vocabulary))


def _why_unknown(attributes: Mapping[str, Any], vocabulary: Vocabulary) -> str:
    texts = {k: vocabulary.text(k, v) for k, v in attributes.items() if k not in OTHER_ATTRIBUTES}
    named = [f'{name} "{text}"' for name, text in texts.items() if text]
    if not named:
        return "it has no label"
    reason = f"{', '.join(named)} is not in the class table"
    season = SEASON_TABLE.find_code(texts.get("fashion", ""))
    return f"{reason} (in stage 2 that code is {season.name})" if season else reason


def region_score(attributes: Mapping[str, Any]) -> float | None:
    """The `score` of an automatic label, or None when there is none that is a number."""
    try:
        return float(attribute_text(attributes.get("score")))
    except ValueError:
        return None


def group_regions(regions: list[Region]) -> list[list[Region]]:
    """The regions of each instance, in the order of their first regions.

    Regions with the same `instance` value are one instance; one without a value is one by itself.
    """
    groups: dict[Any, list[Region]] = {}
    for region in regions:
        groups.setdefault(region.instance or region.number, []).append(region)
    return list(groups.values())


def image_instances(
    image: AnnotatedImage, table: ClassTable
) -> tuple[list[Instance], list[Problem]]:
    """The instances of one image by `table`, and the regions that had to be left out, with reasons.

    Several regions of one `instance` value become one instance; a `hole` needs no label. Left out
    are regions without a known label, a region that names another class than the first region of
    its instance, and holes of nothing.
    """
    instances, problems = [], _choices(image, table)
    for regions in group_regions(image.regions):
        instance = Instance(0, [], identity=regions[0].instance)
        for region in sorted(regions, key=lambda region: region.is_hole):
            try:
                _add(instance, region, table)
            except LabelError as error:
                problems.append(Problem(image.filename, region.number, str(error), error.label))
        if instance.parts:
            instances.append(instance)
    return instances, problems


def _choices(image: AnnotatedImage, table: ClassTable) -> list[Problem]:
    """What is reported once per file: which of several attributes the classes are read from."""
    vocabulary = image.regions[0].vocabulary if image.regions else None
    if vocabulary is None or vocabulary.first != image.filename:
        return []
    reason = vocabulary.choice(table)
    return [Problem(image.filename, None, reason)] if reason else []


def _add(instance: Instance, region: Region, table: ClassTable) -> None:
    if region.is_hole:
        if not instance.parts:
            raise LabelError("it is a hole, but no other region has its instance value")
        instance.holes.append(region.points)
    else:
        row = region_class(region.attributes, table, region.vocabulary)
        if instance.parts and row.id != instance.class_id:
            raise LabelError(
                f'it is labelled {row.name}, but instance "{instance.identity}" is '
                f"{table.name_of(instance.class_id)} in region {instance.numbers[0]}"
            )
        if not instance.parts:
            instance.class_id = row.id
            instance.score = region_score(region.attributes)
            instance.crowd = is_true(region.attributes.get("iscrowd"))
        instance.parts.append(region.points)
    instance.numbers.append(region.number)


def region_label(region: Region) -> str:
    """The label of a region as text: the name, else the code, else "no label"."""
    vocabulary = region.vocabulary or Vocabulary.of_region(region.attributes)
    if label := vocabulary.label(region.attributes):
        return label
    for name in LABEL_ATTRIBUTES:
        if text := vocabulary.text(name, region.attributes.get(name)):
            return text
    return "no label"
