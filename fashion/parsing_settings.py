"""What decides how clothing is parsed: one frozen object, checked when it is made."""

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
    """All settings of `fashion.parsing.parse` and `fashion.superpixels.refine`.

    Attributes:
        minimum_confidence: garments and persons scored lower are left out.
        person: "largest": the largest person and what it wears; "each": all of them.
        segments: superpixels of an image, about; of the person alone with `person_only`.
        compactness: SLIC's weight of nearness against likeness in Lab.
        sigma: Gaussian blur before SLIC, in pixels.
        iterations: of SLIC's k-means.
        superpixel_side: longer images are made so long, in pixels, to find superpixels in them.
        person_only: superpixels within the persons only.
        vote: "area": the mean score of all pixels of a superpixel decides; "centroid": that of
            its centroid and the centroid's four neighbours.
        agreement: a superpixel gives its pixels a garment when at least this share of the vote, .5
            to 1, says so; else they keep their own labels.
        removal: a superpixel takes garments from its pixels when at least this share of the vote,
            .5 to 1, says none; 1: it never does.
        pixel_classes: names of thin garments that superpixels would eat; they stay as they are.
        pixel_area: connected pieces of fewer pixels than this many mean superpixels stay, too.
        completion: whether superpixels without a label may join a neighbouring garment.
        completion_distance: Lab distance (CIE76) up to which two mean colours agree.
        completion_border: share of a superpixel's labelled border, 0 to 1, that must be of the
            garment it joins.
        completion_contact: share of its whole border, 0 to 1, that must be of that garment; a
            superpixel along a straight front touches it with about a quarter.
        gap: where no body is known, completion closes gaps of garments up to so wide, as a share
            of the image's diagonal.
        skin: "range": `skin_range` in YCrCb; "face": the colours of the face where there is one,
            else the range; "off": nothing is taken for skin.
        skin_range: ((Y, Y), (Cr, Cr), (Cb, Cb)), both ends included.
        skin_share: a superpixel is skin from this share of its pixels on.
        hair: whether completion stays off the hair.

    Raises:
        ConfigError: a value that cannot work.
    """

    minimum_confidence: float = 0.0
    person: str = "largest"
    segments: int = 900
    compactness: float = 20.0
    sigma: float = 2.0
    iterations: int = 5
    superpixel_side: int = 1000
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
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"{name} is {getattr(self, name)!r}, but must be one of {', '.join(known)}."
                )
        for name in ("segments", "iterations", "superpixel_side"):
            if int(getattr(self, name)) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, but must be at least 1.")
        if not 0 < self.compactness < math.inf:
            raise ConfigError(f"compactness is {self.compactness}, but must be a number above 0.")
        for name in ("sigma", "pixel_area", "completion_distance", "gap"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}, but must be a number from 0 on."
                )
        if self.sigma > WIDEST_BLUR:
            raise ConfigError(f"sigma is {self.sigma}, but must be at most {WIDEST_BLUR} pixels.")
        for name in ("agreement", "removal"):
            if not 0.5 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, but must be between .5 and 1.")
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, but must be between 0 and 1.")

    def to_json(self) -> dict[str, Any]:
        """All settings as JSON values, equal to what is read back from a file."""
        return json.loads(json.dumps(asdict(self)))


_SHARES = ("minimum_confidence", "completion_border", "completion_contact", "skin_share")
