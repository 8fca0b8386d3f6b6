"""COCO files larger than memory, written image by image; the reader is `fashion.annotation_stream`.

    with CocoStreamWriter("instances.json", head, categories) as writer:
        writer.add({"id": 1, "file_name": "a.jpg"}, annotations)

The file is, byte by byte, what `fashion.coco_write.write` writes for the same lists.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from fashion import coco
from fashion.json_files import json_text, writing
from fashion.json_stream import JsonStream
from fashion.shards import PendingFiles
from mrcnn.errors import DatasetError

_COPIED = 1 << 20  # characters at once


class CocoStreamWriter:
    """Writes a COCO file an image at a time; the file appears whole or not at all.

    COCO has the list of images before that of annotations: the latter go to a nameless temporary
    file beside the other first, and are copied behind the images at the end.

    A context manager: leaving it well lets the file take the place of `path` (`paths` then tells
    the files); an exception leaves what was there and no temporary file.

    Args:
        path: the file; folders above it are made.
        head: members before the lists, such as info and licences.
        categories: the list of categories.
        shard_size: write files of so many images, named as in `fashion.shards`, each with all
            categories, instead of one.

    Raises:
        DatasetError: it cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        head: Mapping[str, Any],
        categories: Sequence[Mapping[str, Any]],
        *,
        shard_size: int | None = None,
    ) -> None:
        if shard_size is not None and shard_size < 1:
            raise DatasetError(f"A shard of {shard_size} images cannot be: name 1 or more.")
        self.path = Path(path)
        self.count = 0
        self._files = PendingFiles(path, sharded=shard_size is not None)
        self._shard_size = shard_size
        self._head, self._categories = dict(head), list(categories)
        self._annotations: IO[str] | None = None
        self._any_annotation = False

    @property
    def paths(self) -> list[Path]:
        """The files that were written; empty before the end."""
        return self._files.paths

    def add(self, image: Mapping[str, Any], annotations: Iterable[Mapping[str, Any]]) -> None:
        """Write one image and its annotations."""
        if self._shard_size is not None and self.count and self.count % self._shard_size == 0:
            self._end()
            self._begin()
        elif self.count:
            self._files.write(", ")
        self._files.write(json_text(image, self.path))
        with writing(self.path):
            for annotation in annotations:
                text = json_text(annotation, self.path)
                self._annotations.write(f", {text}" if self._any_annotation else text)
                self._any_annotation = True
        self.count += 1

    def __enter__(self) -> "CocoStreamWriter":
        try:
            self._begin()
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._end()
                self._files.commit()
        finally:
            self._discard()

    def _begin(self) -> None:
        self._files.open()
        with writing(self.path):
            self._annotations = tempfile.TemporaryFile(  # noqa: SIM115, open from call to call
                "w+", encoding="utf-8", newline="\n", dir=self.path.parent
            )
        self._any_annotation = False
        head = json_text(self._head, self.path)[:-1]
        self._files.write(f'{head}, "images": [' if self._head else '{"images": [')

    def _end(self) -> None:
        """Write what comes behind the images."""
        self._files.write('], "annotations": [')
        with self._annotations as spool, writing(self.path):
            spool.seek(0)
            shutil.copyfileobj(spool, self._files, _COPIED)
        self._annotations = None
        self._files.write(f'], "categories": {json_text(self._categories, self.path)}}}\n')

    def _discard(self) -> None:
        if self._annotations is not None:
            self._annotations.close()
        self._files.discard()


def read_head(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A COCO file without its images and annotations (both lists are empty), whatever its size.

    Raises `DatasetError` as `fashion.coco.read`.
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
