"""Which of an image's detections become labels, by the image's name and what the user asked for.

The name `<garment>_<season>_<anything>` says which garment the photograph shows, and its season.
Detections are matched to it by class name, never by class id; boots count as footwear.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any, NamedTuple

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
LABELS = ("seasons", "garments")
ANY_GARMENT = "any"

# Why an image got no label: the words that reports use, and what they mean.
REASONS = {
    "name": "the name carries no garment or no season",
    "no code": "the garment has no code in the label scheme",
    "not found": "the garment was not found",
    "uncertain": "the garment was found, but below --min-confidence",
    "too small": "what was found is too small for an outline",
    "unreadable": "the file is not a readable picture",
}


@dataclass(frozen=True)
class LabelPolicy:
    """The rules for what becomes a label.

    Attributes:
        min_confidence: detections from this score on become labels.
        low_confidence: detections between it and `min_confidence` are counted as uncertain, and are
            what `fallback="best"` uses; lower ones are ignored.
        all_garments: label every garment that was found with the file's season, instead of only the
            garment in the name.
        fallback: what to do if no detection of the garment in the name is certain enough: "skip"
            the image, take its "best" uncertain detection, or label "all" other garments.
        season: for names that have none; None leaves such images out.
        garment: for names that have none; "any" labels all that was found, None leaves them out.
        labels: "seasons": a garment's label is `<garment>_<season>`; "garments": it is the class
            that was found, whatever the image's name; `garment` is then the only one to label.

    Raises `ConfigError` for any other value.
    """

    min_confidence: float = 0.9
    low_confidence: float = 0.5
    all_garments: bool = False
    fallback: str = "skip"
    season: str | None = None
    garment: str | None = None
    labels: str = "seasons"

    def __post_init__(self) -> None:
        for name in ("min_confidence", "low_confidence"):
            if not 0 <= (value := getattr(self, name)) <= 1:
                raise _bad_value(name, "a number from 0 to 1", value)
        if self.fallback not in FALLBACKS:
            raise _bad_value("fallback", f"one of {', '.join(FALLBACKS)}", self.fallback)
        if self.season is not None and self.season not in SEASONS:
            raise _bad_value("season", f"one of {', '.join(SEASONS)}", self.season)
        if self.labels not in LABELS:
            raise _bad_value("labels", f"one of {', '.join(LABELS)}", self.labels)
        if self.labels == "garments":
            return  # `require_class` knows the classes
        if self.garment not in (None, ANY_GARMENT) and canonical_name(self.garment) is None:
            raise _bad_value("garment", f"bag, dress, ... or {ANY_GARMENT}", self.garment)

    def require_class(self, class_names: Sequence[str]) -> None:
        """Raise `ConfigError` if no class of the detector can be labelled as asked.

        class_names: by class id; id 0 is the background.
        """
        if self.labels == "seasons" and not any(map(canonical_name, class_names[1:])):
            raise ConfigError(
                f"season labels need ModaNet's garments, and the model finds none of them "
                f"({', '.join(class_names[1:4])}, ...)",
                settings=("labels", "model"),
                advice="give {labels}=garments to label with the model's own classes, or choose "
                "another {model}",
            )
        named = self.labels == "garments" and self.garment not in (None, ANY_GARMENT)
        if named and self.garment not in class_names[1:]:
            raise _bad_value("garment", f"one of {', '.join(class_names[1:])}", self.garment)

    def to_json(self) -> dict[str, Any]:
        """What is recorded of a policy: `labels` only if it is not the default, so that runs that
        began without it can be resumed."""
        values = asdict(self)
        if self.labels == "seasons":
            del values["labels"]
        return values

    @property
    def least_score(self) -> float:
        """The lowest score of the detections requested from the detector."""
        return min(self.min_confidence, self.low_confidence)


def _bad_value(name: str, expected: str, found: object) -> ConfigError:
    return ConfigError(
        f"{{{name}}} cannot be used", settings=(name,), expected=expected, found=found
    )


class Subject(NamedTuple):
    """What an image is said to show: ModaNet's name of a garment (None: any), and the season."""

    garment: str | None
    season: str


class LeftOut(NamedTuple):
    """Why a picture gets no label: a key of `REASONS`, and a sentence about this one."""

    why: str
    detail: str


@dataclass(frozen=True, slots=True)
class Pick:
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
        note: the fallback that was used, else "".
        uncertain: scores of detections of the garment below the confidence, in descending order.
        uncoded: number of detections left out because their class has no code.
    """

    picks: list[Pick]
    why: str = ""
    note: str = ""
    uncertain: tuple[float, ...] = ()
    uncoded: int = 0


def subject_of(name: str, policy: LabelPolicy) -> Subject | LeftOut:
    """What the image shows according to the file `name`, or why that says too little."""
    if policy.labels == "garments":
        return Subject(None if policy.garment in (None, ANY_GARMENT) else policy.garment, "")
    parsed = parse_file_name(name)
    garment, season = parsed if isinstance(parsed, tuple) else _partly_parsed(name, policy)
    if garment is None and not policy.all_garments and policy.garment != ANY_GARMENT:
        return LeftOut("name", str(parsed))
    if season is None:
        return LeftOut("name", str(parsed))
    if policy.all_garments or garment is None:
        return Subject(None, season)
    if fashion_code(garment, season) is None:
        return LeftOut("no code", f'"{garment}" has no code in the label scheme')
    return Subject(garment, season)


def _partly_parsed(name: str, policy: LabelPolicy) -> tuple[str | None, str | None]:
    """Garment and season from the name as far as it has them, else from the policy."""
    pieces = PurePath(name).stem.split("_")
    asked = None if policy.garment in (None, ANY_GARMENT) else canonical_name(policy.garment)
    seasons = (piece.casefold() for piece in pieces[:2])
    return (
        canonical_name(pieces[0]) or asked,
        next((piece for piece in seasons if piece in SEASONS), policy.season),
    )


@dataclass(frozen=True, slots=True)
class _Detection:
    """One of an image's detections; `garment` as the label scheme calls it."""

    index: int
    garment: str
    score: float


def choose(
    result: Mapping[str, Any], class_names: Sequence[str], subject: Subject, policy: LabelPolicy
) -> Choice:
    """Which detections of one image become labels.

    result: `class_ids` int [N] and `scores` float [N], as `MaskRCNN.detect` gives them.
    class_names: by class id; id 0 is the background.
    """
    found = [
        _Detection(index, _garment(class_names, class_id, policy), float(score))
        for index, (class_id, score) in enumerate(
            zip(result["class_ids"], result["scores"], strict=True)
        )
    ]
    wanted = [d for d in found if _shows(d, subject)]
    chosen, note = [d for d in wanted if d.score >= policy.min_confidence], ""
    uncertain = [d for d in wanted if policy.low_confidence <= d.score < policy.min_confidence]
    uncertain.sort(key=lambda d: -d.score)
    if not chosen:
        chosen, note = _fallback(found, uncertain, subject, policy)
    if policy.labels == "garments":
        ids = [int(class_id) for class_id in result["class_ids"]]
        picks = [Pick(d.index, d.garment, ids[d.index], d.score) for d in chosen]
    else:
        picks = [pick for d in chosen if (pick := _pick(d, subject.season)) is not None]
    rest = tuple(d.score for d in uncertain if d not in chosen)
    return Choice(
        picks,
        why="" if picks else _why_nothing(chosen, rest),
        note=note if picks else "",
        uncertain=rest,
        uncoded=len(chosen) - len(picks),
    )


def _garment(class_names: Sequence[str], class_id: int, policy: LabelPolicy) -> str:
    name = str(class_names[int(class_id)])
    if policy.labels == "garments":
        return name
    return coded_garment(canonical_name(name) or name)


def _shows(detection: _Detection, subject: Subject) -> bool:
    return subject.garment in (None, detection.garment) or (
        detection.garment == coded_garment(str(subject.garment))
    )


def _fallback(
    found: list[_Detection], uncertain: list[_Detection], subject: Subject, policy: LabelPolicy
) -> tuple[list[_Detection], str]:
    """What is labelled if no detection of the garment is certain enough, and a note on it."""
    if policy.fallback == "best" and uncertain:
        return uncertain[:1], f"best detection below {policy.min_confidence:g}"
    sure = [d for d in found if d.score >= policy.min_confidence]
    if policy.fallback == "all" and sure and subject.garment is not None:
        return sure, f"no {coded_garment(subject.garment)} found: all garments"
    return [], ""


def _pick(detection: _Detection, season: str) -> Pick | None:
    """The label of a detection; None if the scheme has none."""
    if canonical_name(detection.garment) is None:
        return None
    label = season_label(detection.garment, season)
    code = fashion_code(detection.garment, season)
    if label is None or code is None:
        return None
    return Pick(detection.index, label, code, detection.score)


def _why_nothing(chosen: list[_Detection], uncertain: tuple[float, ...]) -> str:
    if chosen:
        return "no code"
    return "uncertain" if uncertain else "not found"
