"""Season labels taken apart: was the garment right, was the season, were both?

Everything is a sum over one confusion matrix of season labels, so that all figures are of the same
matches. Any other label than `<garment>_<season>` counts as a garment of that name without season.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fashion.labels import SEASONS, parse_file_name
from mrcnn.evaluation.matches import BACKGROUND

NO_SEASON = "no season"
# Columns of `by_label` after the seasons.
OTHER_GARMENT, MISSED = "another garment", "missed"


def split_label(label: str) -> tuple[str, str]:
    """Garment and season of a label; `split_label("bag_yaz") == ("bag", "yaz")`."""
    parsed = parse_file_name(label)
    return (label, NO_SEASON) if isinstance(parsed, str) else parsed


def season_confusion(labels: Sequence[str], matrix: np.ndarray) -> dict[str, Any]:
    """What a confusion matrix of season labels says about garments and seasons, as JSON values.

    Args:
        labels: of the classes 1 to n, without the background.
        matrix: int [n + 1, n + 1], rows are the truth and 0 is the background, as of
            `mrcnn.evaluation.matches.confusion_matrix`.

    Returns:
        `garments` and `seasons`: each `labels` (first "background") and `matrix`, of garments
        whatever their season and the reverse. `by_label`: `labels` of the true instances,
        `columns` (seasons, then another garment and missed) and `matrix` [n, columns]: which
        season was found where the garment was right. `counts`: `both_right`,
        `garment_right_season_wrong`, `season_right_garment_wrong`, `both_wrong`, `missed`,
        `false`. `pairs`: [true label, label found, count] of the right garments in a wrong
        season, the most frequent first.
    """
    matrix = np.asarray(matrix)
    parts = [split_label(label) for label in labels]
    garments = list(dict.fromkeys(garment for garment, _ in parts))
    present = {season for _, season in parts}
    seasons = [season for season in (*SEASONS, NO_SEASON) if season in present]
    garment_of = np.array([0, *(1 + garments.index(garment) for garment, _ in parts)])
    season_of = np.array([0, *(1 + seasons.index(season) for _, season in parts)])
    return {
        "garments": _summed(matrix, garment_of, garments),
        "seasons": _summed(matrix, season_of, seasons),
        "by_label": _by_label(matrix, garment_of, season_of, list(labels), seasons),
        "counts": _counts(matrix, garment_of, season_of),
        "pairs": _pairs(matrix, garment_of, season_of, labels),
    }


def _summed(matrix: np.ndarray, group_of: np.ndarray, names: list[str]) -> dict[str, Any]:
    """The matrix with the rows and columns of each group added up."""
    member = np.zeros((len(names) + 1, len(group_of)), dtype=np.int64)
    member[group_of, np.arange(len(group_of))] = 1
    return {"labels": ["background", *names], "matrix": (member @ matrix @ member.T).tolist()}


def _by_label(
    matrix: np.ndarray,
    garment_of: np.ndarray,
    season_of: np.ndarray,
    labels: list[str],
    seasons: list[str],
) -> dict[str, Any]:
    right_garment = garment_of[:, None] == garment_of
    rows = np.zeros((len(labels), len(seasons) + 2), dtype=np.int64)
    for row in range(1, len(labels) + 1):
        found = np.flatnonzero(right_garment[row] & (garment_of > 0))
        np.add.at(rows[row - 1], season_of[found] - 1, matrix[row, found])
        other = np.flatnonzero(~right_garment[row] & (garment_of > 0))
        rows[row - 1, -2:] = matrix[row, other].sum(), matrix[row, BACKGROUND]
    columns = [*seasons, OTHER_GARMENT, MISSED]
    return {"labels": labels, "columns": columns, "matrix": rows.tolist()}


def _counts(matrix: np.ndarray, garment_of: np.ndarray, season_of: np.ndarray) -> dict[str, int]:
    matched = matrix[1:, 1:]
    garment = garment_of[1:, None] == garment_of[1:]
    season = season_of[1:, None] == season_of[1:]
    return {
        "both_right": int(matched[garment & season].sum()),
        "garment_right_season_wrong": int(matched[garment & ~season].sum()),
        "season_right_garment_wrong": int(matched[~garment & season].sum()),
        "both_wrong": int(matched[~garment & ~season].sum()),
        "missed": int(matrix[1:, BACKGROUND].sum()),
        "false": int(matrix[BACKGROUND, 1:].sum()),
    }


def _pairs(
    matrix: np.ndarray, garment_of: np.ndarray, season_of: np.ndarray, labels: Sequence[str]
) -> list[list[Any]]:
    wrong_season = (garment_of[:, None] == garment_of) & (season_of[:, None] != season_of)
    rows, columns = np.nonzero(np.where(wrong_season, matrix, 0))
    found = [
        [labels[r - 1], labels[c - 1], int(matrix[r, c])]
        for r, c in zip(rows, columns, strict=True)
    ]
    return sorted(found, key=lambda pair: -pair[2])
