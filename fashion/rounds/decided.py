"""What people have decided in all rounds, as labels of whole pictures."""

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

CARRIED = "earlier"  # the log of decisions that were taken over from the round before
BREAK = 60.0  # seconds without a decision that do not count as work


@dataclass
class Decided:
    """The state of all pictures that somebody has looked at.

    Attributes:
        pictures: decided ones, by name, with the labels that people want.
        rounds: the round in which each was decided; corrections count in the round at hand.
        begun: pictures with some decisions only, or that wait for a correction: their labels and
            the decisions on them, which the next round takes over.
        waiting: those of `begun` that wait for a correction.
        decisions: number of decisions that count, in each round.
        minutes: that people worked at them in each round, breaks left out.
        seasons: of pictures that were given one, by name; "" where it was taken back.
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
    """Whether every label of the image was accepted or rejected; if it has none, the image."""
    keys = [instance_key(regions) for regions in group_regions(image.regions)] or [WHOLE]
    found = [decisions.get((image.filename, key)) for key in keys]
    return all(decision is not None and decision.verdict != "" for decision in found)


def _with(image: AnnotatedImage, decisions: Latest) -> AnnotatedImage:
    """The image with the labels that were accepted, by their new classes; maybe without any."""
    kept = copy.deepcopy(image)
    apply_log(Annotations([kept]), decisions)
    return kept


def minutes_of(times: Iterable[float]) -> float:
    """Minutes of work between the times, in seconds, of decisions; breaks left out."""
    ordered = sorted(times)
    gaps = (later - earlier for earlier, later in itertools.pairwise(ordered))
    return sum(gap for gap in gaps if gap <= BREAK) / 60
