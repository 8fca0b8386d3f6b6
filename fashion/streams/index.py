"""Where every entry of annotation files is, found in one pass, and kept on the disk.

The two formats cannot be read image by image directly: a COCO file has its annotations apart from
its images, in any order, and its categories perhaps at the end; a VIA file may name an image twice,
and only its last member shows that it is one. So a first pass notes the place of each entry (file,
first byte, bytes), with the values to find it by, in a temporary SQLite database, which sorts and
joins with the memory of its cache and the disk for the rest; a second pass then reads each entry
from its place. The database has no name, so that nothing is left of it however the process ends.
SQLite puts it where `SQLITE_TMPDIR` or `TMPDIR` says, some 100 bytes per entry.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

from fashion.annotations import coco
from fashion.annotations.via_reading import image_of_entry, via_entries
from fashion.annotations.vocabulary import Vocabulary, options_of
from fashion.json_files import further_name, reading
from fashion.streams.json_reading import JsonStream
from mrcnn.errors import DatasetError

CACHE_KILOBYTES = 64 << 10
OPEN_FILES = 32
MOST_OTHERS = 1000  # members of a file that are not entries: settings, licences
_MOST_INTEGER = 1 << 63

_TABLES = """
CREATE TABLE entries (place INTEGER PRIMARY KEY, key TEXT, name TEXT, file, start, length);
CREATE TABLE images (place INTEGER PRIMARY KEY, id, name TEXT, file, start, length);
CREATE TABLE annotations (place INTEGER PRIMARY KEY, image, category, file, start, length);
CREATE TABLE categories (id);
"""


class Place(NamedTuple):
    """Where an entry is: the number of its file, its first byte, its number of bytes."""

    file: int
    start: int
    length: int


class AnnotationIndex:
    """The entries of one annotation file, or of the shards of one, VIA or COCO.

    Attributes:
        is_coco: which of the two it is.
        version: of VIA, "1", "2" or "2 project".
        head: of COCO, everything but the three lists, from the first file.
        categories: of COCO, as they are in the file.
        vocabulary: of VIA, what the attributes of all files say about classes.

    `wanted` is "via" or "coco" to refuse the other.

    Raises:
        DatasetError: as `fashion.json_files.read_json`, `fashion.annotations.via_reading.read` and
            `fashion.annotations.coco.check`; shards of different formats or categories; no room
            for the index.
    """

    def __init__(
        self, files: Sequence[Path], source: str, wanted: Literal["via", "coco"] | None = None
    ) -> None:
        self.files = list(files)
        self.source = source
        self._wanted = wanted
        self.is_coco = False
        self.version = "2"
        self.head: dict[str, Any] = {}
        self.categories: list[dict[str, Any]] = []
        self.vocabulary = Vocabulary()
        self._readers: dict[int, IO[bytes]] = {}
        with self.on_disk():
            self._database = sqlite3.connect("", isolation_level=None)
            for setting in (
                f"cache_size = -{CACHE_KILOBYTES}",
                "temp_store = FILE",
                "journal_mode = OFF",
                "synchronous = OFF",
            ):
                self._database.execute(f"PRAGMA {setting}")
            self._database.executescript(_TABLES)
        try:
            for number in range(len(self.files)):
                self._scan(number)
            self._check()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "AnnotationIndex":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and the files."""
        self._database.close()
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    @contextlib.contextmanager
    def on_disk(self) -> Iterator[None]:
        """Turn errors of the database into `DatasetError`."""
        try:
            yield
        except sqlite3.Error as error:
            raise DatasetError(
                f"its index cannot be stored on the disk ({error})",
                path=self.source,
                advice="make room in the folder for temporary files, or set TMPDIR to another",
            ) from None

    def rows(self, query: str, *values: Any) -> Iterator[tuple]:
        """The rows of a query, read as they are used."""
        with self.on_disk():
            # Not "yield from": that would close the cursor with the generator, which may be after
            # the database.
            for row in self._database.execute(query, values):  # noqa: UP028
                yield row

    def read(self, place: Place) -> Any:
        """The entry at a place."""
        path = self.files[place.file]
        with reading(path):
            reader = self._readers.get(place.file)
            if reader is None:
                if len(self._readers) >= OPEN_FILES:
                    self._readers.pop(next(iter(self._readers))).close()
                # Unbuffered: the images and the annotations of a COCO file are read in turn, and
                # each change between them would throw a buffer away.
                reader = self._readers[place.file] = path.open("rb", buffering=0)
            reader.seek(place.start)
            data = reader.read(place.length)
        try:
            return json.loads(data.decode("utf-8"))
        except ValueError:
            raise DatasetError(
                "it was changed while it was being read", path=path, advice="start over"
            ) from None

    # --- the first pass -----------------------------------------------------------------------

    def _scan(self, number: int) -> None:
        """Record the entries of one file."""
        with JsonStream(self.files[number]) as stream:
            if stream.next_character() != "{":
                check = coco.check if self._wanted == "coco" else via_entries
                check(stream.value(), str(stream.path))
            scan = _Scan(number, str(stream.path))
            with self.on_disk():
                self._database.execute("BEGIN")
                self._members(stream, scan)
                stream.finish()
                self._database.execute("COMMIT")
        self._conclude(scan, first=number == 0)

    def _members(self, stream: JsonStream, scan: "_Scan") -> None:
        for name in stream.members():
            character = stream.next_character()
            if name == "_via_img_metadata" and character == "{":
                scan.project = True
                self._database.execute("DELETE FROM entries WHERE file = ?", (scan.number,))
                for key in stream.members():
                    self._add_entry(key, stream.value(), stream, scan)
            elif name in _LISTS and character == "[":
                scan.lists.add(name)
                add = self._add_image if name == "images" else self._add_annotation
                for _ in stream.elements():
                    add(stream, scan)
            else:
                value = stream.value()
                if isinstance(value, dict) and "filename" in value and not scan.project:
                    self._add_entry(name, value, stream, scan)
                else:
                    scan.note_other(name, value)

    def _add_entry(self, key: str, entry: Any, stream: JsonStream, scan: "_Scan") -> None:
        """Record the entry of a VIA file that `stream` returned last."""
        image = image_of_entry(key, entry, scan.source)
        scan.old = scan.old or isinstance(entry.get("regions"), dict)
        regions = entry.get("regions")
        for region in regions.values() if isinstance(regions, dict) else _listed(regions):
            attributes = region.get("region_attributes") if isinstance(region, dict) else None
            if isinstance(attributes, dict):
                self.vocabulary.add(attributes, image.filename)
        row = (str(key), image.filename, scan.number, *stream.span)
        self._database.execute("INSERT INTO entries VALUES (NULL, ?, ?, ?, ?, ?)", row)

    def _add_image(self, stream: JsonStream, scan: "_Scan") -> None:
        image = stream.value()
        identity, name = (coco.own_value(image, k, "images", scan.source) for k in _IMAGE_KEYS)
        row = (_stored(identity), str(name), scan.number, *stream.span)
        self._database.execute("INSERT INTO images VALUES (NULL, ?, ?, ?, ?, ?)", row)

    def _add_annotation(self, stream: JsonStream, scan: "_Scan") -> None:
        annotation = stream.value()
        coco.check_annotation(annotation, scan.source)
        ids = (_stored(annotation.get(key)) for key in ("image_id", "category_id"))
        row = (*ids, scan.number, *stream.span)
        self._database.execute("INSERT INTO annotations VALUES (NULL, ?, ?, ?, ?, ?)", row)

    def _conclude(self, scan: "_Scan", *, first: bool) -> None:
        """Record the format of a file, which must be that of the files before."""
        is_coco = scan.is_coco
        self._check_wanted(scan)
        if not first and is_coco != self.is_coco:
            raise DatasetError(
                f"{self.files[0]} and {scan.source} have different formats",
                path=self.source,
                advice="shards must have the same",
            )
        self.is_coco = is_coco
        if is_coco:
            self._conclude_coco(scan, first=first)
        else:
            self._conclude_via(scan)

    def _check_wanted(self, scan: "_Scan") -> None:
        """Refuse the format that is not wanted, in the words of the code that reads whole files."""
        if self._wanted == "coco" and not scan.is_coco:
            coco.check({}, scan.source)
        if self._wanted == "via" and scan.is_coco:
            via_entries({name: [] for name in _LISTS}, scan.source)

    def _conclude_via(self, scan: "_Scan") -> None:
        """Record the version of a VIA file, and refuse members that are not entries."""
        if scan.project:
            self.version = "2 project"
            self.vocabulary.options |= options_of(scan.others.get("_via_attributes"))
            return
        # The code that reads whole files says what is wrong.
        data, _ = via_entries({**scan.others, **dict.fromkeys(scan.lists)}, scan.source)
        for key, entry in data.items():
            image_of_entry(key, entry, scan.source)
        if scan.old:
            self.version = "1"

    def _conclude_coco(self, scan: "_Scan", *, first: bool) -> None:
        """Record what a COCO file has besides its images and annotations."""
        categories: Any = scan.others.get("categories")
        coco.check({"images": [], "annotations": [], "categories": categories}, scan.source)
        if first:
            self.categories = categories
            self.head = {k: v for k, v in scan.others.items() if k != "categories"}
            rows = ((_stored(category["id"]),) for category in categories)
            with self.on_disk():
                self._database.executemany("INSERT INTO categories VALUES (?)", rows)
        elif categories != self.categories:
            raise DatasetError(
                f"{self.files[0]} and {scan.source} have different categories",
                path=self.source,
                advice="shards must have the same",
            )

    # --- between the passes -------------------------------------------------------------------

    def _check(self) -> None:
        """Distinguish entries that share a key, and refuse images that share an id or name."""
        with self.on_disk():
            if self.is_coco:
                self._database.execute("CREATE INDEX image_id ON images (id)")
                for key, column in (("id", "id"), ("file_name", "name")):
                    self._check_unique(key, column)
            else:
                self._name_doubled_keys()

    def _check_unique(self, key: str, column: str) -> None:
        query = f"SELECT MAX(place) FROM images GROUP BY {column} HAVING COUNT(*) > 1 LIMIT 1"
        for (place,) in self.rows(query):
            query = "SELECT file, start, length FROM images WHERE place = ?"
            image = self.read(Place(*next(self.rows(query, place))))
            raise coco.not_unique(image[key], key, "images", self.source)

    def _name_doubled_keys(self) -> None:
        """Rename entries that share a key in a file, as `json_files.keep_all_entries` does."""
        doubled = """SELECT place, key, number FROM (SELECT place, key,
            ROW_NUMBER() OVER (PARTITION BY file, key ORDER BY place) AS number FROM entries)
            WHERE number > 1"""
        for place, key, number in list(self.rows(doubled)):
            self._database.execute(
                "UPDATE entries SET key = ? WHERE place = ?", (further_name(key, number), place)
            )


_LISTS = ("images", "annotations")
_IMAGE_KEYS = ("id", "file_name")


class _Scan:
    """What is known about a file while it is scanned."""

    def __init__(self, number: int, source: str) -> None:
        self.number = number
        self.source = source
        self.lists: set[str] = set()
        self.project = False
        self.old = False
        self.others: dict[str, Any] = {}

    @property
    def is_coco(self) -> bool:
        """Whether it is a COCO file, else VIA."""
        return not self.project and self.lists == set(_LISTS)

    def note_other(self, key: str, value: Any) -> None:
        """Keep a member that is not an entry of a VIA file.

        More of them than any COCO file has are refused as bad entries.
        """
        if len(self.others) >= MOST_OTHERS:
            for other, entry in self.others.items():
                image_of_entry(other, entry, self.source)
        self.others[key] = value


def _stored(identity: Any) -> Any:
    """An id as SQLite can hold and compare it, 1 and 1.0 and "1" alike."""
    identity = coco.identity(identity)
    if identity is None or isinstance(identity, list | dict):
        return None
    if isinstance(identity, int) and not -_MOST_INTEGER <= identity < _MOST_INTEGER:
        return f"\0{identity}"
    if isinstance(identity, float) and identity != identity:
        return "\0nan"
    return identity


def _listed(regions: Any) -> list[Any]:
    """The regions of an entry; the code that reads the entry refuses what is not a list."""
    return regions if isinstance(regions, list) else []
