"""What determines how clothing is parsed: one frozen object, checked when it is created."""

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from mrcnn.errors import ConfigError

# What can be written: the result of one stage of parsing, or of all.
STAGES = ("clothing", "body", "objects", "superpixels", "all")
# How far an outline may be off to count as right, as a share of the image's diagonal: 5.4 pixels at
# 400 x 600.
TOLERANCE = 0.0075
VOTES = ("area", "centroid")
PERSONS = ("largest", "each")
SKIN_RULES = ("range", "face", "off")
WIDEST_BLUR = 100
# Y, Cr, Cb of skin in 8-bit YCrCb, both ends included.
SKIN_RANGE = ((0, 235), (133, 173), (77, 127))


@dataclass(frozen=True)
class ParsingSettings:
    """All settings of `fashion.parsing.parse.parse` and `fashion.parsing.superpixels.refine`.

    Attributes:
        minimum_confidence: garments and persons scored lower are dropped.
        person: "largest": the largest person and what it wears; "each": all of them.
        segments: approximate number of superpixels of an image; with `person_only`, of the person.
        compactness: SLIC's weight of distance in the image relative to distance in Lab.
        sigma: Gaussian blur before SLIC, in pixels of the shrunk image.
        iterations: of SLIC's k-means.
        superpixel_side: superpixels are found, vote and grow on the image shrunk to this longest
            side, in pixels.
        person_only: superpixels within the persons only.
        vote: "area": the mean score of all pixels of a superpixel decides; "centroid": that of
            its centroid and the centroid's four neighbours.
        agreement: a superpixel gives its pixels a garment when at least this share of the vote, .5
            to 1, is for it; otherwise they keep their own labels.
        removal: a superpixel removes garments from its pixels when at least this share of the vote,
            .5 to 1, is for none; 1: it never does.
        pixel_classes: names of thin garments that superpixels would swallow; they are kept.
        pixel_area: connected pieces smaller than this many mean superpixels are kept too.
        completion: whether superpixels without a label may join a neighbouring garment.
        completion_distance: Lab distance (CIE76) up to which two mean colours agree.
        completion_border: share of a superpixel's labelled border, 0 to 1, that must be of the
            garment it joins.
        completion_contact: share of its whole border, 0 to 1, that must be of that garment; a
            superpixel along a straight edge touches it with about a quarter.
        gap: where no body is known, completion closes gaps in garments up to this width, as a share
            of the image's diagonal.
        skin: "range": `skin_range` in YCrCb; "face": the colours of the face where there is one,
            else the range; "off": nothing counts as skin.
        skin_range: ((Y, Y), (Cr, Cr), (Cb, Cb)), both ends included.
        skin_share: a superpixel with at least this share of skin pixels is skin.
        hair: whether completion stays off the hair.

    Raises:
        ConfigError: a value that cannot work.
    """

    minimum_confidence: float = 0.0
    person: str = "largest"
    segments: int = 900
    compactness: float = 20.0
    sigma: float = 1.2
    iterations: int = 5
    superpixel_side: int = 512
    person_only: bool = False
    vote: str = "area"
    agreement: float = 0.5
    removal: float = 1.0
    pixel_classes: tuple[str, ...] = ("belt", "sunglasses")
    pixel_area: float = 2.0
    completion: bool = True
    completion_distance: float = 10.0
    completion_border: float = 0.7
    completion_contact: float = 0.2
    gap: float = 0.03
    skin: str = "range"
    skin_range: tuple[tuple[int, int], tuple[int, int], tuple[int, int]] = SKIN_RANGE
    skin_share: float = 0.5
    hair: bool = True

    def __post_init__(self) -> None:
        for name, known in (("vote", VOTES), ("person", PERSONS), ("skin", SKIN_RULES)):
            self._require(name, getattr(self, name) in known, f"one of {', '.join(known)}")
        for name in ("segments", "iterations", "superpixel_side"):
            self._require(name, int(getattr(self, name)) >= 1, "at least 1")
        self._require("compactness", 0 < self.compactness < math.inf, "a number above 0")
        for name in ("sigma", "pixel_area", "completion_distance", "gap"):
            self._require(name, 0 <= getattr(self, name) < math.inf, "a number of at least 0")
        self._require("sigma", self.sigma <= WIDEST_BLUR, f"at most {WIDEST_BLUR} pixels")
        for name in ("agreement", "removal"):
            self._require(name, 0.5 <= getattr(self, name) <= 1, "between .5 and 1")
        for name in _SHARES:
            self._require(name, 0 <= getattr(self, name) <= 1, "between 0 and 1")

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise ConfigError(
                f"{{{name}}} is {getattr(self, name)!r}", settings=(name,), expected=expected
            )

    def to_json(self) -> dict[str, Any]:
        """All settings as JSON values, equal to what is read back from a file."""
        return json.loads(json.dumps(asdict(self)))


_SHARES = ("minimum_confidence", "completion_border", "completion_contact", "skin_share")
