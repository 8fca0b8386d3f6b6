"""Names with a season for photographs without one: from a table, or from their folders.

The result is a folder in which every name says what labelling needs to know: `bag_1.jpg` of the
summer becomes `bag_yaz_1.jpg`, and `IMG_1.jpg`, whose name has no garment, `yaz_IMG_1.jpg`.
"""

import csv
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fashion.annotations.locating import IMAGE_SUFFIXES, leads_out
from fashion.json_files import reading
from fashion.labels import SEASONS, canonical_name, parse_file_name
from mrcnn.errors import DatasetError
from mrcnn.system.files import saving

# What people call the seasons besides the two names in `SEASONS`.
WORDS = {
    "ilkbahar": "ilkb",
    "sonbahar": "sonb",
    "fall": "sonb",
    "k\u0131\u015f": "kis",
    **dict.fromkeys(("4mevsim", "all", "all year"), "4mev"),
}


def season_of(word: str) -> str | None:
    """The short name of a season, from either of its names or `WORDS`; None for another word."""
    text = word.strip().casefold()
    return next((s for s in SEASONS if text in (s, SEASONS[s])), WORDS.get(text))


@dataclass
class NamedPictures:
    """Which pictures got a name: old path below the folder -> new name; and those without."""

    names: dict[str, str] = field(default_factory=dict)
    without: list[str] = field(default_factory=list)


def read_seasons(path: Path) -> dict[str, str]:
    """A CSV table of pictures (paths below the folder, or names) and seasons; a header is optional.

    Raises `DatasetError` for a row with another number of columns, an unknown season, or a picture
    with two seasons.
    """
    with reading(path):
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    seasons: dict[str, str] = {}
    for number, row in enumerate(csv.reader(lines), 1):
        if not any(cell.strip() for cell in row):
            continue
        season = season_of(row[1]) if len(row) == 2 else None
        if season is None and number == 1:
            continue
        if season is None:
            raise DatasetError(
                f"line {number} is not a picture with its season",
                path=path,
                expected=f"two columns, the second one of {', '.join(SEASONS)} or "
                f"{', '.join(SEASONS.values())}",
                found=",".join(row),
            )
        name = row[0].strip().replace("\\", "/")
        if seasons.setdefault(name, season) != season:
            raise DatasetError(f"line {number} gives {name} a second season", path=path)
    return seasons


def season_names(folder: Path, seasons: Mapping[str, str] | None = None) -> NamedPictures:
    """New names for the pictures of a folder and the folders in it.

    seasons: from `read_seasons`; None takes the season from the folder that a picture is in, or one
    above that. A picture whose own name has a garment and a season keeps it.

    Raises `DatasetError` if there is no picture, or two pictures would get the same name.
    """
    found = NamedPictures()
    paths = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in IMAGE_SUFFIXES)
    for path in paths:
        below = path.relative_to(folder).as_posix()
        if leads_out(folder, below):
            continue
        if isinstance(parse_file_name(path.name), tuple):
            found.names[below] = path.name
            continue
        if seasons is None:
            folders = reversed(Path(below).parent.parts)
            season = next(filter(None, map(season_of, folders)), None)
        else:
            season = seasons.get(below) or seasons.get(path.name)
        if season is None:
            found.without.append(below)
        else:
            found.names[below] = _with_season(path.name, season)
    if not found.names and not found.without:
        raise DatasetError("there is no picture in this folder", path=folder)
    _make_unique(found.names)
    return found


def _with_season(name: str, season: str) -> str:
    garment, _, rest = name.partition("_")
    if rest and canonical_name(garment):
        return f"{garment}_{season}_{rest}"
    return f"{season}_{name}"


def _make_unique(names: dict[str, str]) -> None:
    """Number the pictures that would get the same name."""
    by_name: dict[str, list[str]] = {}
    for below, name in names.items():
        by_name.setdefault(name.casefold(), []).append(below)
    for same in by_name.values():
        for number, below in enumerate(same[1:], 2):
            new = Path(names[below])
            names[below] = f"{new.stem}_{number}{new.suffix}"
    if len({name.casefold() for name in names.values()}) < len(names):
        raise DatasetError("some pictures would get the same name", advice="rename them")


def place_pictures(folder: Path, out: Path, names: Mapping[str, str]) -> None:
    """Put the pictures into `out` under their new names: hard links, or copies on another disk.

    A picture that is there already is kept. Raises `UserError` if `out` cannot be written, or
    has another picture of that name.
    """
    with saving(out):
        out.mkdir(parents=True, exist_ok=True)
        for below, name in names.items():
            source, target = folder / below, out / name
            if target.exists():
                if not _same(source, target):
                    raise DatasetError("another picture is there already", path=target)
                continue
            try:
                os.link(source.resolve(), target)
            except OSError:
                shutil.copyfile(source, target)


def _same(first: Path, second: Path) -> bool:
    return first.samefile(second) or first.read_bytes() == second.read_bytes()
