"""Which classes annotations have, and their COCO category ids, inferred if no table is given."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fashion.annotations.annotated import AnnotatedImage, attribute_text
from fashion.annotations.coco import extra_fields
from fashion.annotations.vocabulary import Vocabulary
from fashion.labels import MODANET_TABLE, SEASON_TABLE, ClassTable
from mrcnn.errors import DatasetError


@dataclass(slots=True)
class FoundLabels:
    """What the regions of a file say about their classes, gathered in one pass.

    Attributes:
        names: the labels found, in the order of the file.
        regions: the number of regions.
    """

    names: dict[str, None] = field(default_factory=dict)
    regions: int = 0
    # The first category [id, name] that came along from COCO, by name; the first code, by label.
    _categories: dict[str, list[Any]] = field(default_factory=dict)
    _codes: dict[Any, int] = field(default_factory=dict)

    @classmethod
    def of(cls, images: Iterable[AnnotatedImage]) -> "FoundLabels":
        """What the regions of all `images` say."""
        labels = cls()
        for image in images:
            labels.add(image)
        return labels

    def add(self, image: AnnotatedImage) -> None:
        """Count one image."""
        for region in image.regions:
            self.regions += 1
            vocabulary = region.vocabulary or Vocabulary.of_region(region.attributes)
            self._note(region.attributes, vocabulary.label(region.attributes))

    def _note(self, attributes: Mapping[str, Any], label: str) -> None:
        if label:
            self.names.setdefault(label)
            code = attribute_text(attributes.get("fashion"))
            if code.isdecimal():
                self._codes.setdefault(label, int(code))
        category = extra_fields(attributes).get("category")
        if isinstance(category, list) and len(category) == 2:
            self._categories.setdefault(str(category[1]), category)

    def categories(self, table: ClassTable) -> dict[str, Any]:
        """Class name -> id of the category that came along from COCO."""
        return _by_class(table, {name: number for number, name in self._categories.values()})

    def codes(self, table: ClassTable) -> dict[str, int]:
        """Class name -> `fashion` code, if that is a number."""
        return _by_class(table, self._codes)


def _by_class(table: ClassTable, values: Mapping[Any, Any]) -> dict[str, Any]:
    """The values by class name instead of by spelling; the first one if there are several."""
    found: dict[str, Any] = {}
    for spelling, value in values.items():
        row = table.find(spelling)
        if row is not None:
            found.setdefault(row.name, value)
    return found


def infer_table(labels: FoundLabels, like: Mapping[str, Any] | None, source: str) -> ClassTable:
    """The classes of annotations for which no table is given.

    They are those of the COCO object `like`; else ModaNet's or the nine season labels when they
    hold all labels found; else the labels found. Raises `DatasetError` if there are only codes.
    """
    if like:
        return ClassTable([str(entry["name"]) for entry in like["categories"]], name="like")
    if not labels.names and labels.regions:
        raise DatasetError(
            "its regions have codes but no labels",
            path=source,
            advice="say which classes they mean: modanet, season, or a class table file",
        )
    for table in (MODANET_TABLE, SEASON_TABLE):
        if all(table.find(name) for name in labels.names):
            return table
    return ClassTable(labels.names, name=source)


def category_ids(
    labels: FoundLabels, table: ClassTable, like: Mapping[str, Any] | None
) -> dict[str, Any]:
    """COCO category id of each class name, all different.

    It is `like`'s; else the one that came along from COCO; else, if the classes are not a known
    table, the `fashion` code if that is a number; else the class table's.
    """
    if like:
        by_name = {table.find(entry["name"]): entry["id"] for entry in like["categories"]}
        return {row.name: by_name.get(row, row.id) for row in table}
    codes = {} if table in (MODANET_TABLE, SEASON_TABLE) else labels.codes(table)
    ids = UniqueIds()
    result = {name: ids.take(identity) for name, identity in labels.categories(table).items()}
    for row in table:
        if row.name not in result:
            result[row.name] = ids.take(codes.get(row.name, row.id))
    return result


_BITS = 256  # ids in one number of the map


class UniqueIds:
    """Gives the wanted id if it is free, else the next free number, from 1.

    Whole numbers are kept as bits, so that a million of them, close together, take 0.4 MB.
    """

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._others: set[Any] = set()
        self._next = 1

    def take(self, wanted: Any) -> Any:
        """An id that no earlier call has returned: `wanted` itself if it can be one and is free."""
        if wanted is None or isinstance(wanted, list | dict) or wanted in self:
            while self._next in self:
                self._next += 1
            wanted = self._next
        number = _whole(wanted)
        if number is None:
            self._others.add(wanted)
        else:
            block, bit = divmod(number, _BITS)
            self._numbers[block] = self._numbers.get(block, 0) | 1 << bit
        return wanted

    def __contains__(self, identity: Any) -> bool:
        number = _whole(identity)
        if number is None:
            return identity in self._others
        block, bit = divmod(number, _BITS)
        return bool(self._numbers.get(block, 0) >> bit & 1)


def _whole(identity: Any) -> int | None:
    """The whole number that an id equals; None if there is none."""
    if isinstance(identity, float):
        return int(identity) if identity.is_integer() else None
    return int(identity) if isinstance(identity, int) else None
