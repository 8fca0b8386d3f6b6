"""The one table of labels that all stages share.

ModaNet's thirteen garments, the five seasons of the custom photographs, the nine season labels of
stage 2, and their numeric codes, spellings and colours. `ClassTable` holds the same for any list of
classes, so that nothing else in this project depends on thirteen or nine.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from fashion.json_files import read_json
from mrcnn.drawing.palette import Colour, class_colour
from mrcnn.errors import DatasetError

MOST_CLASSES = 10_000  # the heads of a network grow with them: some 40 MB for 10,000


@dataclass(frozen=True, slots=True)
class GarmentClass:
    """One class: its id (1 to n; 0 is the background), name, colour, spellings and `fashion` code.

    `code` is the value of the `fashion` attribute of an annotation; `aliases` are other spellings
    that are read as `name`.
    """

    id: int
    name: str
    colour: Colour
    aliases: tuple[str, ...] = ()
    code: str = ""


def canonical_text(text: object) -> str:
    """`text` as names are compared: in lower case, without superfluous blanks."""
    folded = " ".join(str(text).casefold().split())
    return re.sub(r" ?([/&]) ?", r"\1", folded)


class ClassTable:
    """An ordered list of class names with ids 1 to n, codes, spellings and colours.

    `classes` holds names or `GarmentClass` rows; the ids are their positions from 1. A row without
    a code gets its id as the code, one without a colour gets `class_colour(id)`. Raises
    `DatasetError` when two classes share a name, a spelling or a code, or when there is none.
    """

    def __init__(self, classes: Iterable[str | GarmentClass], name: str = "") -> None:
        self.name = name
        self._rows = tuple(_row(index, entry) for index, entry in enumerate(classes, 1))
        if not self._rows:
            raise DatasetError("a class table needs at least one class")
        self._by_name: dict[str, GarmentClass] = {}
        self._by_code: dict[str, GarmentClass] = {}
        for row in self._rows:
            for spelling in (row.name, *row.aliases):
                self._enter(self._by_name, canonical_text(spelling), row)
            self._enter(self._by_code, row.code, row)

    @staticmethod
    def _enter(index: dict[str, GarmentClass], key: str, row: GarmentClass) -> None:
        if not key:
            raise DatasetError(f"class {row.id} of the class table has no name")
        other = index.setdefault(key, row)
        if other is not row:
            raise DatasetError(
                f'"{key}" stands for both class {other.id} ({other.name}) and class {row.id} '
                f"({row.name}) of the class table",
                advice="make names, aliases and codes unique",
            )

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[GarmentClass]:
        return iter(self._rows)

    def __getitem__(self, class_id: int) -> GarmentClass:
        """The row of class `class_id`, 1 to n; `KeyError` for any other."""
        if not 1 <= class_id <= len(self._rows):
            raise KeyError(class_id)
        return self._rows[class_id - 1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClassTable) and self._rows == other._rows

    def __hash__(self) -> int:
        return hash(self._rows)

    def __repr__(self) -> str:
        return f"ClassTable({list(self.names)!r}, name={self.name!r})"

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the order of their ids; the background is not among them."""
        return tuple(row.name for row in self._rows)

    def find(self, text: object) -> GarmentClass | None:
        """The class with this name or alias, whatever its case; None when there is none."""
        return self._by_name.get(canonical_text(text))

    def find_code(self, code: object) -> GarmentClass | None:
        """The class with this `fashion` code ("7", 7 or 7.0); None when there is none."""
        if isinstance(code, float) and code.is_integer():
            code = int(code)
        return self._by_code.get(str(code).strip())

    def id_of(self, name: object) -> int:
        """The id of a class by name or alias; `DatasetError` that lists the names if unknown."""
        row = self.find(name)
        if row is None:
            raise DatasetError(
                f'"{name}" is not a class of this table', advice=f"it has {', '.join(self.names)}"
            )
        return row.id

    def name_of(self, class_id: int) -> str:
        """The name of class `class_id`; "BG" for 0."""
        return "BG" if class_id == 0 else self[class_id].name

    def colour_of(self, class_id: int) -> Colour:
        """Red, green, blue of class `class_id`; black for 0."""
        return (0, 0, 0) if class_id == 0 else self[class_id].colour

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> "ClassTable":
        """Read a class table from JSON.

        Either a list of names (`["bag", "belt"]`), or a list of objects, or an object with such a
        list under `classes`. An object has `name` and, optionally, `code`, `colour` ("#rrggbb" or
        [r, g, b]), `aliases` and `id`, which must then equal its position. Raises `DatasetError`.
        """
        path = Path(path)
        try:
            return cls.from_json(read_json(path), path.stem)
        except DatasetError as error:
            raise error.replace(path=path) from None

    @classmethod
    def from_json(cls, data: Any, name: str = "") -> "ClassTable":
        """A class table of the JSON values that `from_file` describes. Raises `DatasetError`."""
        if isinstance(data, dict):
            name = str(data.get("name") or name)
            data = data.get("classes")
        if not isinstance(data, list):
            raise DatasetError(
                "it is not a class table",
                expected='a list of class names, or {"classes": [..]}',
            )
        if len(data) > MOST_CLASSES:
            raise DatasetError(
                f"it has {len(data):,} classes, more than the {MOST_CLASSES:,} that are accepted",
                advice="check that it is a class table",
            )
        return cls((_row_from_json(entry, index) for index, entry in enumerate(data, 1)), name)

    def to_json(self) -> dict[str, Any]:
        """What `from_file` reads, as plain lists and dictionaries."""
        rows = [
            {
                "id": row.id,
                "name": row.name,
                "code": row.code,
                "colour": "#{:02x}{:02x}{:02x}".format(*row.colour),
                "aliases": list(row.aliases),
            }
            for row in self._rows
        ]
        return {"name": self.name, "classes": rows}


def _row(index: int, entry: str | GarmentClass) -> GarmentClass:
    if isinstance(entry, str):
        entry = GarmentClass(index, entry.strip(), class_colour(index))
    code = entry.code or str(index)
    return GarmentClass(index, entry.name, entry.colour, tuple(entry.aliases), code)


def _row_from_json(entry: Any, index: int) -> GarmentClass:
    if isinstance(entry, str):
        entry = {"name": entry}
    if not isinstance(entry, dict) or not str(entry.get("name") or "").strip():
        raise DatasetError(
            f"its class {index} is wrong", expected='a name or an object with "name"'
        )
    if entry.get("id", index) != index:
        raise DatasetError(
            f"its class {index} has the wrong id",
            expected=f"{index}, ids are 1 to n in order",
            found=entry["id"],
        )
    aliases = entry.get("aliases") or []
    if not isinstance(aliases, list):
        raise DatasetError(
            f'its class {index} has wrong "aliases"', expected="a list of names", found=aliases
        )
    return GarmentClass(
        id=index,
        name=str(entry["name"]).strip(),
        colour=_colour_from_json(entry.get("colour"), index),
        aliases=tuple(str(alias) for alias in aliases),
        code=str(entry.get("code") or ""),
    )


def _colour_from_json(value: Any, index: int) -> Colour:
    if value is None:
        return class_colour(index)
    if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        value = [int(value[i : i + 2], 16) for i in (1, 3, 5)]
    if isinstance(value, list) and len(value) == 3 and all(v in range(256) for v in value):
        red, green, blue = (int(v) for v in value)
        return red, green, blue
    raise DatasetError(
        f"its class {index} has a wrong colour",
        expected='"#rrggbb" or [r, g, b]',
        found=json.dumps(value),
    )


MODANET: tuple[str, ...] = (
    "bag",
    "belt",
    "boots",
    "footwear",
    "outer",
    "dress",
    "sunglasses",
    "pants",
    "top",
    "shorts",
    "skirt",
    "headwear",
    "scarf/tie",
)
PERSON = "person"
MODANET_ALIASES: dict[str, tuple[str, ...]] = {
    "scarf/tie": ("scarf & tie", "scraf/tie", "scarf", "tie"),
}

# Short names as they appear in file names, in the order of their numbers in the region code.
SEASONS: dict[str, str] = {
    "ilkb": "spring",
    "yaz": "summer",
    "sonb": "autumn",
    "kis": "winter",
    "4mev": "all seasons",
}
# The garments of the region code, in the order of their numbers there.
CODED_GARMENTS: tuple[str, ...] = (
    "bag",
    "footwear",
    "sunglasses",
    "pants",
    "top",
    "shorts",
    "skirt",
    "headwear",
    "outer",
    "dress",
)
ALL_LABELS = tuple(f"{garment}_{season}" for garment in CODED_GARMENTS for season in SEASONS)
SEASON_LABELS: tuple[str, ...] = (
    "skirt_yaz",
    "bag_yaz",
    "footwear_sonb",
    "top_yaz",
    "bag_4mev",
    "footwear_yaz",
    "footwear_kis",
    "shorts_yaz",
    "skirt_ilkb",
)


def canonical_name(text: str) -> str | None:
    """ModaNet's name for a garment, from any spelling that is read; None if it is none of them."""
    row = MODANET_TABLE.find(text)
    return row.name if row else None


def fashion_code(garment: str, season: str) -> int | None:
    """The region code of a garment in a season: 5 * (garment number - 1) + season number.

    Boots count as footwear. None for belt and scarf/tie, which the scheme leaves out. Raises
    `DatasetError` for a garment or a season that does not exist.
    """
    name = canonical_name(garment)
    if name is None:
        raise DatasetError(
            f'"{garment}" is not a garment', advice=f"those are {', '.join(MODANET)}"
        )
    if season not in SEASONS:
        raise DatasetError(f'"{season}" is not a season', advice=f"those are {', '.join(SEASONS)}")
    name = coded_garment(name)
    if name not in CODED_GARMENTS:
        return None
    return 5 * CODED_GARMENTS.index(name) + list(SEASONS).index(season) + 1


def coded_garment(name: str) -> str:
    """The garment under which ModaNet's class `name` is coded: boots count as footwear."""
    return "footwear" if name == "boots" else name


def decode(code: int | str) -> tuple[str, str]:
    """Garment and season of a region code: `decode(32) == ("skirt", "yaz")`.

    Raises `DatasetError` for anything but 1 to 50.
    """
    try:
        number = int(str(code).strip())
    except ValueError:
        number = 0
    if not 1 <= number <= 5 * len(CODED_GARMENTS):
        raise DatasetError(
            f'"{code}" is not a region code', advice=f"those are 1 to {5 * len(CODED_GARMENTS)}"
        )
    return CODED_GARMENTS[(number - 1) // 5], tuple(SEASONS)[(number - 1) % 5]


def season_label(garment: str, season: str) -> str | None:
    """The stage-2 label: "footwear_kis" for boots in winter; None if there is no code."""
    code = fashion_code(garment, season)
    return None if code is None else "_".join(decode(code))


def parse_file_name(name: str) -> tuple[str, str] | str:
    """Garment and season in the name of a custom photograph, `<garment>_<season>_<anything>.<ext>`.

    `parse_file_name("bag_4mev_112.jpg") == ("bag", "4mev")`. The garment is ModaNet's name for it.
    For a name of another form the result is the reason (str); nothing is raised. Folders before
    the name are ignored.
    """
    name = PurePosixPath(PureWindowsPath(name).name).name
    pieces = PurePosixPath(name).stem.split("_")
    wanted = "<garment>_<season>_<anything>.<ext>"
    if len(pieces) < 2:
        return f'the file name "{name}" is not of the form {wanted}'
    garment = canonical_name(pieces[0])
    if garment is None:
        return f'"{pieces[0]}" in the file name "{name}" is not a garment: expected {wanted}'
    season = pieces[1].casefold()
    if season not in SEASONS:
        return (
            f'"{pieces[1]}" in the file name "{name}" is not a season ({", ".join(SEASONS)}): '
            f"expected {wanted}"
        )
    return garment, season


def _modanet_table() -> ClassTable:
    rows = [
        GarmentClass(index, name, class_colour(index), MODANET_ALIASES.get(name, ()), str(index))
        for index, name in enumerate(MODANET, 1)
    ]
    return ClassTable(rows, name="modanet")


def _photo_table() -> ClassTable:
    person = GarmentClass(len(MODANET) + 1, PERSON, class_colour(len(MODANET) + 1))
    return ClassTable([*MODANET_TABLE, person], name="photo")


def season_table(labels: Iterable[str] = SEASON_LABELS) -> ClassTable:
    """The table of any stage-2 labels `<garment>_<season>`, with their region codes."""
    rows = []
    for index, label in enumerate(labels, 1):
        parsed = parse_file_name(label)
        code = None if isinstance(parsed, str) else fashion_code(*parsed)
        if code is None:
            raise DatasetError(f'"{label}" is not a season label such as "skirt_yaz"')
        rows.append(GarmentClass(index, label, class_colour(index), (), str(code)))
    return ClassTable(rows, name="season")


MODANET_TABLE = _modanet_table()
# What the photo weights know: ModaNet's garments, and the person who wears them.
PHOTO_TABLE = _photo_table()
SEASON_TABLE = season_table()


def known_table(labels: Iterable[str]) -> ClassTable | None:
    """The class table of the stage that has all of these labels; None if neither has."""
    tables = (MODANET_TABLE, SEASON_TABLE)
    return next((table for table in tables if all(map(table.find, labels))), None)


def named_table(name: str | os.PathLike[str]) -> ClassTable:
    """The class table a user names: modanet, photo, season, all, or the path of a JSON file."""
    if str(name).casefold() == "all":
        return season_table(ALL_LABELS)
    known = {"modanet": MODANET_TABLE, "photo": PHOTO_TABLE, "season": SEASON_TABLE}
    return known.get(str(name).casefold()) or ClassTable.from_file(name)
