"""The order in which a round proposes pictures.

Those that the model is surest of come first. A picture is as sure as the least sure of its labels;
pictures without labels come last. Such plain pictures need fewer decisions. A small model learnt
about as much from them in rounds as from random ones, and a little less in one training. Orders by
doubt and by rarity were measured and were no better: docs/rounds.md has the figures.

Of near-duplicates the first is proposed; the others come last, and so do near-duplicates of a
decided picture.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from fashion.annotations.annotated import AnnotatedImage
from fashion.annotations.instances import group_regions, region_score


@dataclass(frozen=True)
class Ranked:
    """A picture in the queue: the score of its least sure label, and whether it repeats another."""

    picture: str
    sure: float
    repeats: bool = False


def ranked(
    images: Iterable[AnnotatedImage],
    duplicates: Sequence[Collection[str]] = (),
    decided: Collection[str] = (),
) -> list[Ranked]:
    """The pictures, surest first, equally sure ones by name.

    Args:
        images: with the labels of the last model.
        duplicates: groups of near-duplicates.
        decided: names of the decided pictures.
    """
    group_of = {name: number for number, group in enumerate(duplicates) for name in group}
    seen = {group_of[name] for name in decided if name in group_of}
    rows = [Ranked(image.filename, sureness(image)) for image in images]
    first, repeats = [], []
    for row in sorted(rows, key=lambda row: (-row.sure, row.picture)):
        group = group_of.get(row.picture)
        if group is not None and group in seen:
            repeats.append(replace(row, repeats=True))
        else:
            first.append(row)
            if group is not None:
                seen.add(group)
    return first + repeats


def sureness(image: AnnotatedImage) -> float:
    """The lowest score of an image's labels (1 for a label without score); 0 without labels."""
    scores = [region_score(regions[0].attributes) for regions in group_regions(image.regions)]
    return min((1.0 if score is None else score for score in scores), default=0.0)
