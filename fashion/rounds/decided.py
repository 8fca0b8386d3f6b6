"""What people decided in all rounds, as labels of whole pictures."""

import copy
import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from fashion.annotations import via
from fashion.annotations.annotated import AnnotatedImage, Annotations
from fashion.annotations.instances import group_regions
from fashion.review.applying import Latest, apply_log, is_to_correct, read_logs
from fashion.review.decision_log import SEASON, WHOLE, Decision
from fashion.review.page import instance_key
from fashion.rounds.corrections import read_corrections
from fashion.rounds.folder import Round, RoundsFolder

CARRIED = "earlier"  # the log of decisions carried over from the previous round
BREAK = 60.0  # seconds; longer gaps between decisions do not count as work


@dataclass
class Decided:
    """The state of all pictures that somebody has looked at.

    Attributes:
        pictures: the decided ones, by name, with the labels that people want.
        rounds: the round in which each was decided; corrections count in the current round.
        begun: pictures only partly decided, or waiting for a correction: their labels and
            decisions, which are carried over to the next round.
        waiting: those of `begun` that wait for a correction.
        decisions: the number of decisions that count, by round.
        minutes: the time that people worked on them, by round, without breaks.
        seasons: the seasons given to pictures, by name; "" where one was taken back.
        notes: sentences about corrections that were left out.
    """

    pictures: dict[str, AnnotatedImage] = field(default_factory=dict)
    rounds: dict[str, int] = field(default_factory=dict)
    begun: dict[str, tuple[AnnotatedImage, list[Decision]]] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    decisions: Counter[int] = field(default_factory=Counter)
    minutes: dict[int, float] = field(default_factory=dict)
    seasons: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_decided(folder: RoundsFolder) -> Decided:
    """All decisions of all rounds, and the corrections. Raises `DatasetError` for a bad file."""
    state = Decided()
    rounds = folder.rounds()
    for one in rounds:
        _add_round(state, one)
    corrected, state.notes = read_corrections(folder.corrections)
    for name, image in corrected.items():
        state.pictures[name] = image
        state.rounds.setdefault(name, len(rounds))
        state.begun.pop(name, None)
        state.waiting.discard(name)
    return state


def _add_round(state: Decided, one: Round) -> None:
    decisions = read_logs(one.logs_of_decisions)
    new = read_logs([log for log in one.logs_of_decisions if log != one.log(CARRIED)])
    state.decisions[one.number] = sum(decision.verdict != "" for decision in new.values())
    state.minutes[one.number] = minutes_of(decision.time for decision in new.values())
    own: dict[str, list[Decision]] = {}
    for decision in decisions.values():
        if decision.key == SEASON:
            state.seasons[decision.image] = decision.label  # "" where it was taken back
        own.setdefault(decision.image, []).append(decision)
    for image in via.read(one.labels):
        name = image.filename
        if all(decision.key == SEASON for decision in own.get(name, [])):
            continue
        state.begun.pop(name, None)
        state.waiting.discard(name)
        if is_to_correct(image, decisions):
            state.waiting.add(name)
            state.begun[name] = (image, own[name])
        elif is_decided(image, decisions):
            state.pictures[name] = _with(image, decisions)
            state.rounds.setdefault(name, one.number)
        else:
            state.begun[name] = (image, own[name])


def is_decided(image: AnnotatedImage, decisions: Latest) -> bool:
    """Whether every label was accepted or rejected; without labels, the image itself."""
    keys = [instance_key(regions) for regions in group_regions(image.regions)] or [WHOLE]
    found = [decisions.get((image.filename, key)) for key in keys]
    return all(decision is not None and decision.verdict != "" for decision in found)


def _with(image: AnnotatedImage, decisions: Latest) -> AnnotatedImage:
    """The image with its accepted labels, if any, under their new classes."""
    kept = copy.deepcopy(image)
    apply_log(Annotations([kept]), decisions)
    return kept


def minutes_of(times: Iterable[float]) -> float:
    """Minutes of work from the times of decisions in seconds, without breaks."""
    ordered = sorted(times)
    gaps = (later - earlier for earlier, later in itertools.pairwise(ordered))
    return sum(gap for gap in gaps if gap <= BREAK) / 60
