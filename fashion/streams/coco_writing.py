"""COCO files larger than memory, written image by image; the reader is `fashion.streams.images`.

    with CocoStreamWriter("instances.json", head, categories) as writer:
        writer.add({"id": 1, "file_name": "a.jpg"}, annotations)

The file is, byte by byte, what `fashion.annotations.coco_writing.write` writes for the same lists.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from fashion.annotations import coco
from fashion.json_files import json_text, writing
from fashion.streams.json_reading import JsonStream
from fashion.streams.shards import EntryWriter

_COPIED = 1 << 20  # characters at once


class CocoStreamWriter(EntryWriter):
    """Writes a COCO file an image at a time; see `fashion.streams.shards.EntryWriter`.

    COCO lists images before annotations: the latter first go to a nameless temporary file, and are
    copied behind the images at the end.

    head: members before the lists, such as info and licences. categories: the list of categories,
    which is whole in every shard.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        head: Mapping[str, Any],
        categories: Sequence[Mapping[str, Any]],
        *,
        shard_size: int | None = None,
    ) -> None:
        super().__init__(path, shard_size=shard_size)
        self._head, self._categories = dict(head), list(categories)
        self._spool = contextlib.ExitStack()  # closes `_annotations`
        self._annotations: IO[str]
        self._any_annotation = False

    def add(self, image: Mapping[str, Any], annotations: Iterable[Mapping[str, Any]]) -> None:
        """Write one image and its annotations."""
        self._next(", ")
        self._files.write(json_text(image, self.path))
        with writing(self.path):
            for annotation in annotations:
                text = json_text(annotation, self.path)
                self._annotations.write(f", {text}" if self._any_annotation else text)
                self._any_annotation = True

    def _begin(self) -> None:
        self._files.open()
        with writing(self.path):
            self._annotations = self._spool.enter_context(_nameless_file(self.path.parent))
        self._any_annotation = False
        head = json_text(self._head, self.path)[:-1]
        self._files.write(f'{head}, "images": [' if self._head else '{"images": [')

    def _end(self) -> None:
        self._files.write('], "annotations": [')
        with self._spool, writing(self.path):
            self._annotations.seek(0)
            shutil.copyfileobj(self._annotations, self._files, _COPIED)
        self._files.write(f'], "categories": {json_text(self._categories, self.path)}}}\n')

    def _discard(self) -> None:
        # What is lost is lost anyway: a full disk must not hide the original error.
        with contextlib.suppress(OSError):
            self._spool.close()
        super()._discard()


@contextlib.contextmanager
def _nameless_file(folder: Path) -> Iterator[IO[str]]:
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n", dir=folder) as stream:
        yield stream


def read_head(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A COCO file of any size without its images and annotations: both lists are empty.

    Raises `DatasetError` like `fashion.annotations.coco.read`.
    """
    data: dict[str, Any] = {}
    with JsonStream(path) as stream:
        if stream.next_character() != "{":
            coco.check(stream.value(), str(path))
        for name in stream.members():
            if name in ("images", "annotations") and stream.next_character() == "[":
                for _ in stream.elements():
                    stream.value()
                data[name] = []
            else:
                data[name] = stream.value()
        stream.finish()
    coco.check(data, str(path))
    return data
