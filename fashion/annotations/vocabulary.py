"""What the attributes of one VIA file say about classes: its own options, and the values found.

A number means what the file's options say, never what a class table says alone. Where no attribute
has one of the names that usually hold the class, one attribute is chosen for the whole file: the
one whose values name classes in most regions.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fashion.labels import MODANET_TABLE, SEASON_TABLE, ClassTable, GarmentClass, canonical_text

LABEL_ATTRIBUTES = ("label", "class", "name", "fashion")
# Attributes that never name the class, whatever their value looks like.
OTHER_ATTRIBUTES = ("instance", "hole", "score", "iscrowd", "coco")
# What ModaNet counts among its classes (Zheng et al., 2018, table 1).
KINDS = {
    **dict.fromkeys(("coat", "jacket", "suit", "blazer", "cardigan", "sweater"), "outer"),
    **dict.fromkeys(("jumpsuit", "romper", "vest"), "outer"),
    **dict.fromkeys(("jeans", "leggings"), "pants"),
    **dict.fromkeys(("blouse", "t-shirt", "shirt"), "top"),
}
MOST_VALUES = 1000  # of one attribute, which is then free text


@dataclass(slots=True)
class Vocabulary:
    """The options and the values of the region attributes of a file.

    Attributes:
        options: for each attribute, option -> the text that VIA shows for it ("" is itself).
        values: for each attribute that may name classes, text -> number of regions.
        first: the first image with such a region, at which the choice is reported.
    """

    options: dict[str, dict[str, str]] = field(default_factory=dict)
    values: dict[str, Counter[str]] = field(default_factory=dict)
    first: str = ""
    _known: dict[ClassTable, dict[str, int]] = field(default_factory=dict, repr=False)

    @classmethod
    def of_region(cls, attributes: Mapping[str, Any]) -> "Vocabulary":
        """The vocabulary of one region that comes from no VIA file."""
        vocabulary = cls()
        if not attribute_text(attributes.get("label")):
            vocabulary.add(attributes)
        return vocabulary

    def add(self, attributes: Mapping[str, Any], filename: str = "") -> None:
        """Count the values of one region."""
        self._known.clear()
        for name, value in attributes.items():
            if name in LABEL_ATTRIBUTES or name in OTHER_ATTRIBUTES:
                continue
            text = attribute_text(value)
            values = self.values.setdefault(name, Counter())
            if text and (text in values or len(values) < MOST_VALUES):
                values[text] += 1
                self.first = self.first or filename

    def text(self, name: str, value: Any) -> str:
        """An attribute's value as text; for a number the text of the file's own option."""
        text = attribute_text(value)
        return (self._shown(name, text) or text) if text.isdecimal() else text

    def find(self, name: str, value: Any, table: ClassTable) -> GarmentClass | None:
        """The class of `table` that an attribute's value names, by the file's own options first."""
        text = attribute_text(value)
        shown = self._shown(name, text)
        row = _row(table, shown) if shown else None
        if row is not None or not text or (shown and text.isdecimal()):
            return row
        row = _row(table, text)
        return table.find_code(text) if row is None and name == "fashion" else row

    def class_attributes(self, table: ClassTable) -> list[str]:
        """The attributes from which the class is read if none of `LABEL_ATTRIBUTES` holds it.

        One, or several that name classes in equally many regions.
        """
        scores = self._scores(table)
        best = max(scores.values(), default=0)
        return [name for name, score in scores.items() if score == best]

    def label(self, attributes: Mapping[str, Any]) -> str:
        """What names the class of a region if no class table is given; "" if nothing does."""
        text = self.text("label", attributes.get("label"))
        if text:
            return text
        for table in (MODANET_TABLE, SEASON_TABLE):
            for name in LABEL_ATTRIBUTES[1:]:
                value = attributes.get(name)
                is_number = attribute_text(value).isdecimal()
                if not is_number and self.find(name, value, table) is not None:
                    return self.text(name, value)
        for name in LABEL_ATTRIBUTES[1:]:
            text = attribute_text(attributes.get(name))
            if self._shown(name, text):
                return self.text(name, text)
        for table in (MODANET_TABLE, SEASON_TABLE):
            for name in self.class_attributes(table):
                if text := self.text(name, attributes.get(name)):
                    return text
        return ""

    def choice(self, table: ClassTable) -> str | None:
        """A sentence if the class could be read from several attributes; else None."""
        scores = self._scores(table)
        chosen = self.class_attributes(table)
        if len(scores) < 2 or len(chosen) > 1:
            return None
        others = ", ".join(f'"{name}"' for name in scores if name not in chosen)
        return f'classes are read from the attribute "{chosen[0]}", not from {others}'

    def _shown(self, name: str, text: str) -> str:
        return self.options.get(name, {}).get(text, "")

    def _scores(self, table: ClassTable) -> dict[str, int]:
        """For each attribute with a class among its values, in how many regions there is one."""
        if table in self._known:
            return self._known[table]
        found: dict[str, int] = {}
        self._known[table] = found
        for name, values in self.values.items():
            rows = (count for text, count in values.items() if self.find(name, text, table))
            if score := sum(rows):
                found[name] = score
        return found


def options_of(definitions: Any) -> dict[str, dict[str, str]]:
    """The options of the region attributes that VIA's `_via_attributes` define."""
    region = definitions.get("region") if isinstance(definitions, Mapping) else None
    found = {}
    for name, definition in region.items() if isinstance(region, Mapping) else ():
        options = definition.get("options") if isinstance(definition, Mapping) else None
        if isinstance(options, Mapping):
            found[str(name)] = {str(key): attribute_text(text) for key, text in options.items()}
    return found


def spelt_out(attributes: Mapping[str, Any], options: Mapping[str, Mapping[str, str]]) -> Any:
    """The attributes of a region for a file without options: their numbers become their texts.

    The attributes themselves if there is nothing to change.
    """
    changed = {}
    for name, value in attributes.items():
        text = attribute_text(value)
        shown = options.get(name, {}).get(text, "") if text.isdecimal() else ""
        # VIA's own yes or no, and the name of an instance, keep their values.
        if shown and name not in OTHER_ATTRIBUTES:
            changed[name] = shown
    return {**attributes, **changed} if changed else attributes


def _row(table: ClassTable, text: str) -> GarmentClass | None:
    return table.find(text) or table.find(KINDS.get(canonical_text(text), ""))


def is_true(value: Any) -> bool:
    """Whether an attribute value says yes: "1", 1, true, "yes", or a ticked box {"1": true}."""
    if isinstance(value, Mapping):
        return any(is_true(key) and is_true(ticked) for key, ticked in value.items())
    return str(value).strip().casefold() in ("1", "true", "yes", "1.0")


def attribute_text(value: Any) -> str:
    """An attribute value as text: a ticked box gives its name, a whole float no point, None ""."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(str(key) for key, ticked in value.items() if ticked not in (False, None))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
