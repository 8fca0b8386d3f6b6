"""Which of an image's detections become labels, by the image's name and what the user asked for.

The name `<garment>_<season>_<anything>` tells which garment the photograph is of, and its season.
Detections are matched to it by class name, never by number; boots count as footwear.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np

from fashion.labels import (
    SEASONS,
    canonical_name,
    coded_garment,
    fashion_code,
    parse_file_name,
    season_label,
)
from mrcnn.errors import ConfigError

FALLBACKS = ("skip", "best", "all")
ANY_GARMENT = "any"

# Why an image got no label: the words that reports use, and what they mean.
REASONS = {
    "name": "the name carries no garment or no season",
    "no code": "the garment has no code in the label scheme",
    "not found": "the garment was not found",
    "uncertain": "the garment was found, but below --min-confidence",
    "too small": "what was found is too small for an outline",
    "unreadable": "the file is no readable picture",
}


@dataclass(frozen=True)
class LabelPolicy:
    """What is to be labelled.

    Attributes:
        min_confidence: detections from this score on become labels.
        low_confidence: detections between it and `min_confidence` are counted as uncertain, and
            are what `fallback="best"` takes; lower ones are not looked at.
        all_garments: label every garment that was found with the file's season, instead of the
            garment of the name alone.
        fallback: what to do where the garment of the name was not found surely enough: "skip" the
            image, take its "best" uncertain detection, or label "all" other garments.
        season: for names that carry none; None leaves such images out.
        garment: for names that carry none; "any" takes all that was found, None leaves them out.

    Raises `ConfigError` for values that are none of these.
    """

    min_confidence: float = 0.9
    low_confidence: float = 0.5
    all_garments: bool = False
    fallback: str = "skip"
    season: str | None = None
    garment: str | None = None

    def __post_init__(self) -> None:
        for name in ("min_confidence", "low_confidence"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, but must be from 0 to 1.")
        if self.fallback not in FALLBACKS:
            raise ConfigError(f'"{self.fallback}" is no fallback: take {", ".join(FALLBACKS)}.')
        if self.season is not None and self.season not in SEASONS:
            raise ConfigError(f'"{self.season}" is no season: take {", ".join(SEASONS)}.')
        if self.garment not in (None, ANY_GARMENT) and canonical_name(self.garment) is None:
            raise ConfigError(f'"{self.garment}" is no garment: take bag, dress, ... or any.')

    @property
    def least_score(self) -> float:
        """The score down to which detections are wanted of the detector."""
        return min(self.min_confidence, self.low_confidence)


class Subject(NamedTuple):
    """What an image is said to show: ModaNet's name of a garment (None: any), and the season."""

    garment: str | None
    season: str


class Pick(NamedTuple):
    """A detection that becomes a label: its index, the label, its region code, its score."""

    index: int
    label: str
    code: int
    score: float


@dataclass(frozen=True)
class Choice:
    """What becomes of an image's detections.

    Attributes:
        picks: the labels, in the order of the detections.
        why: a key of `REASONS` where there is no pick, else "".
        note: the fallback that was taken, else "".
        uncertain: scores of detections of the garment below the confidence, falling.
        uncoded: number of detections left out because their class has no code.
    """

    picks: list[Pick]
    why: str = ""
    note: str = ""
    uncertain: tuple[float, ...] = ()
    uncoded: int = 0


def subject_of(name: str, policy: LabelPolicy) -> Subject | tuple[str, str]:
    """What the file `name` says that the image shows.

    Where it says nothing that can be used: a key of `REASONS` and a sentence.
    """
    parsed = parse_file_name(name)
    garment, season = parsed if isinstance(parsed, tuple) else _partly_parsed(name, policy)
    if garment is None and not policy.all_garments and policy.garment != ANY_GARMENT:
        return "name", str(parsed)
    if season is None:
        return "name", str(parsed)
    if policy.all_garments or garment is None:
        return Subject(None, season)
    if fashion_code(garment, season) is None:
        return "no code", f'"{garment}" has no code in the label scheme'
    return Subject(garment, season)


def _partly_parsed(name: str, policy: LabelPolicy) -> tuple[str | None, str | None]:
    """Garment and season as far as the name carries them, else by the policy."""
    pieces = PurePath(name).stem.split("_")
    asked = None if policy.garment in (None, ANY_GARMENT) else canonical_name(policy.garment)
    seasons = (piece.casefold() for piece in pieces[:2])
    return (
        canonical_name(pieces[0]) or asked,
        next((piece for piece in seasons if piece in SEASONS), policy.season),
    )


def choose(
    result: Mapping[str, Any], class_names: Sequence[str], subject: Subject, policy: LabelPolicy
) -> Choice:
    """Which detections of one image become labels.

    result: `class_ids` int [N] and `scores` float [N], as `MaskRCNN.detect` gives them.
    class_names: by class id; id 0 is the background.
    """
    scores = np.asarray(result["scores"], dtype=np.float64)
    garments = [_garment(class_names, class_id) for class_id in result["class_ids"]]
    sure = [i for i, score in enumerate(scores) if score >= policy.min_confidence]
    wanted = subject.garment and coded_garment(subject.garment)
    matching = [i for i, garment in enumerate(garments) if wanted in (None, garment)]
    uncertain = sorted((i for i in matching if i not in sure), key=lambda i: -scores[i])
    uncertain = [i for i in uncertain if scores[i] >= policy.low_confidence]
    chosen, note = [i for i in matching if i in sure], ""
    if not chosen and policy.fallback == "best" and uncertain:
        chosen, note = uncertain[:1], f"best detection below {policy.min_confidence:g}"
        uncertain = uncertain[1:]
    elif not chosen and policy.fallback == "all" and sure:
        chosen, note = sure, f"no {wanted} found: all garments"
    picks = [_pick(i, garments[i], subject.season, scores[i]) for i in chosen]
    coded = [pick for pick in picks if pick is not None]
    return Choice(
        coded,
        why="" if coded else _why_nothing(chosen, uncertain),
        note=note if coded else "",
        uncertain=tuple(float(scores[i]) for i in uncertain),
        uncoded=len(picks) - len(coded),
    )


def _garment(class_names: Sequence[str], class_id: int) -> str:
    name = str(class_names[int(class_id)])
    return coded_garment(canonical_name(name) or name)


def _pick(index: int, garment: str, season: str, score: float) -> Pick | None:
    if canonical_name(garment) is None or (code := fashion_code(garment, season)) is None:
        return None
    return Pick(index, season_label(garment, season), code, float(score))


def _why_nothing(chosen: list[int], uncertain: list[int]) -> str:
    if chosen:
        return "no code"
    return "uncertain" if uncertain else "not found"
