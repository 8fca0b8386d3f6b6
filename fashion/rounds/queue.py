"""Which pictures come first: the order in which a round proposes them.

Those that the model is surest of. A picture is as sure as the least sure of its labels; one without
labels comes last. There is less to decide on such plain pictures. A small model learnt from them
about as much in rounds, and a little less in one training, as from those taken by chance. Orders by
doubt and by rarity were measured, and were no better: docs/rounds.md has the figures.

Of near-duplicates the first is proposed; the others come last, and so do those of a picture that is
decided.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from fashion.annotations.annotated import AnnotatedImage
from fashion.annotations.instances import group_regions, region_score


@dataclass(frozen=True)
class Ranked:
    """A picture of the queue: how sure its least sure label is, and whether it repeats another."""

    picture: str
    sure: float
    repeats: bool = False


def ranked(
    images: Iterable[AnnotatedImage],
    duplicates: Sequence[Collection[str]] = (),
    decided: Collection[str] = (),
) -> list[Ranked]:
    """The pictures, the surest first; of equal ones by name.

    Args:
        images: with the labels of the last model.
        duplicates: groups of near-duplicates.
        decided: the pictures that are decided.
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
    """The least score of an image's labels, 1 for those without a score; 0 without labels."""
    scores = [region_score(regions[0].attributes) for regions in group_regions(image.regions)]
    return min((1.0 if score is None else score for score in scores), default=0.0)
