"""What a weight file says about itself: what it was trained on, and what it may be used for.

The root attribute `provenance` holds one JSON text, which Keras and Matterport's code ignore:

    {"preset": "photo", "classes": ["bag", "belt"], "trained_on": "700 street photographs of CCP",
     "pictures": "photographs", "licence": "Apache-2.0"}

Every entry may be absent. Neither Keras nor TensorFlow is imported.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from mrcnn.errors import counted, printable

ATTRIBUTE = "provenance"
DRAWINGS = "drawings"


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Where a file's weights come from; a field is empty if the file does not say.

    Attributes:
        preset: name of the settings with which the network was built and trained.
        classes: names by class number, without the background.
        trained_on: the pictures it was trained on, in words.
        pictures: their kind in one word: "photographs" or "drawings".
        licence: of the weights, in words.
    """

    preset: str = ""
    classes: tuple[str, ...] = ()
    trained_on: str = ""
    pictures: str = ""
    licence: str = ""

    def notes(self) -> dict[str, str]:
        """The notes for `mrcnn.weights.matching.save_weights` and `MaskRCNN.weights_attributes`."""
        said = {name: value for name, value in dataclasses.asdict(self).items() if value}
        return {ATTRIBUTE: json.dumps(said, ensure_ascii=False)}

    @classmethod
    def of_texts(cls, texts: Mapping[str, str]) -> "Provenance":
        """From a file's attributes (`mrcnn.weights.h5_reading.read_attributes`).

        Entries of an unexpected type count as absent: other people's files must not stop a command.
        """
        try:
            said = json.loads(texts.get(ATTRIBUTE, "{}"))
        except (ValueError, RecursionError):
            said = {}
        if not isinstance(said, dict):
            said = {}
        classes = said.get("classes")
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            classes = []
        return cls(
            preset=_text(said, "preset"),
            classes=tuple(classes),
            trained_on=_text(said, "trained_on"),
            pictures=_text(said, "pictures"),
            licence=_text(said, "licence"),
        )

    def line(self) -> str:
        """One line for a terminal: `14 classes, trained on ..., preset photo (Apache-2.0)`.

        Weights trained on drawings alone say so. Empty if the file says nothing.
        """
        parts = [
            counted(len(self.classes), "class", "classes") if self.classes else "",
            f"trained on {self.trained_on}" if self.trained_on else "",
            f"preset {self.preset}" if self.preset else "",
        ]
        text = ", ".join(part for part in parts if part)
        if self.licence:
            text = f"{text} ({self.licence})" if text else self.licence
        if self.pictures == DRAWINGS:
            text = (
                f"{text}; trained on drawings, not on photographs"
                if text
                else "know no photographs"
            )
        return printable(text)


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    return value if isinstance(value, str) else ""
