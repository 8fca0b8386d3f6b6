"""Which image goes into which subset: at random, by class shares, or by ready-made lists.

Each class should have the same share of the instances in every subset. Since an image may hold
several classes, this is approximated: by iterative stratification (Sechidis, Tsoumakas and Vlahavas
2011, "On the stratification of multi-label data"), then by exchanging images between subsets. The
unit is a group of images that must stay together.
"""

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from fashion.annotations.locating import SUBSETS
from fashion.json_files import read_json
from mrcnn.errors import DatasetError

DEFAULT_RATIOS = (0.8, 0.1, 0.1)
_PAIRS_AT_ONCE = 4096
_PATIENCE = 8  # rounds without gain before the exchange ends
_MOST_ROUNDS = 1000


def parse_ratios(text: str) -> tuple[float, float, float]:
    """Shares of train, val and test, whose sum is 1: "80/10/10", "8,1,1", ".9 .1" (no test).

    Raises `DatasetError` for anything else.
    """
    pieces = text.replace("/", " ").replace(",", " ").replace(":", " ").split()
    try:
        values = [float(piece) for piece in pieces]
    except ValueError:
        values = [-1.0]
    values += [0.0] * (3 - len(values))
    if len(pieces) not in (2, 3) or not all(0 <= v < float("inf") for v in values):
        raise DatasetError(
            "malformed ratios of the subsets",
            expected="such as 80/10/10 or 90/10",
            found=f'"{text}"',
        )
    train, val, test = values
    if train <= 0:
        raise DatasetError(
            "the ratios leave nothing to train on", expected="a share above 0", found=f'"{text}"'
        )
    return train / sum(values), val / sum(values), test / sum(values)


def subset_sizes(count: int, ratios: Sequence[float]) -> list[int]:
    """`count` images divided by `ratios` into whole numbers (largest remainders first).

    A subset with a ratio above 0 gets at least one image where there are enough.
    """
    wanted = np.asarray(ratios, dtype=np.float64) * count
    sizes = np.floor(wanted + 1e-9).astype(int)
    for index in np.argsort(-(wanted - sizes), kind="stable")[: count - sizes.sum()]:
        sizes[index] += 1
    for index in np.flatnonzero((sizes == 0) & (wanted > 0)):
        if sizes.max() > 1:
            sizes[sizes.argmax()] -= 1
            sizes[index] += 1
    return sizes.tolist()


def stratify(
    counts: np.ndarray, sizes: np.ndarray, ratios: Sequence[float], seed: int = 0
) -> np.ndarray:
    """The subset, int [n], 0 to len(ratios) - 1, of each of n units.

    `counts` is int [n, classes], the instances of each class in the unit; `sizes` is int [n], its
    images. The number of images of each subset is met as nearly as the units allow, then each
    class's number of instances. The same arguments give the same result. n may be 0.
    """
    counts, sizes = np.asarray(counts, dtype=np.int64), np.asarray(sizes, dtype=np.int64)
    random = np.random.default_rng(seed)
    targets = np.array(subset_sizes(int(sizes.sum()), ratios), dtype=np.float64)
    # The number of instances of a class follows the images that a subset gets, not its ratio: with
    # few images the two differ.
    share = targets / max(targets.sum(), 1)
    class_targets = share[:, None] * counts.sum(axis=0)
    assigned = _deal(counts, sizes, targets.copy(), class_targets.copy(), random)
    _exchange(assigned, counts, sizes, class_targets, random)
    return assigned


def _deal(
    counts: np.ndarray,
    sizes: np.ndarray,
    room: np.ndarray,
    wish: np.ndarray,
    random: np.random.Generator,
) -> np.ndarray:
    """First assignment: the rarest class first, each unit to the subset that lacks it most.

    `room` float [subsets] and `wish` float [subsets, classes] are what each subset still lacks;
    both are used up.
    """
    assigned = np.full(len(counts), -1)
    while (assigned < 0).any():
        left = counts[assigned < 0].sum(axis=0)
        classes = np.flatnonzero(left)
        rarest = classes[left[classes].argmin()] if len(classes) else None
        members = np.flatnonzero(
            (assigned < 0) & (True if rarest is None else counts[:, rarest] > 0)
        )
        # Large units while there is room for them; equals in random order.
        members = random.permutation(members)
        for unit in members[np.argsort(-sizes[members], kind="stable")]:
            open_ = room >= min(sizes[unit], max(room.max(), 0))
            need = room if rarest is None else wish[:, rarest]
            order = np.lexsort((random.random(len(room)), -room, -need, ~open_))
            subset = order[0]
            assigned[unit] = subset
            room[subset] -= sizes[unit]
            wish[subset] -= counts[unit]
    return assigned


def _exchange(
    assigned: np.ndarray,
    counts: np.ndarray,
    sizes: np.ndarray,
    class_targets: np.ndarray,
    random: np.random.Generator,
) -> None:
    """Exchange units of equal size between subsets, in place, while classes get closer."""
    subsets = len(class_targets)
    if len(assigned) < 2 or not counts.size:
        return
    present = np.stack([counts[assigned == s].sum(axis=0) for s in range(subsets)])
    weight = 1.0 / np.maximum(class_targets, 0.5)
    idle = 0
    for _ in range(_MOST_ROUNDS):
        first, second = random.integers(0, len(assigned), (2, _PAIRS_AT_ONCE))
        good = (assigned[first] != assigned[second]) & (sizes[first] == sizes[second])
        first, second = first[good], second[good]
        gain = _gain(first, second, assigned, counts, present - class_targets, weight)
        best = int(np.argmin(gain)) if len(gain) else -1
        if best < 0 or gain[best] >= -1e-9:
            idle += 1
            if idle == _PATIENCE:
                return
            continue
        idle = 0
        i, j = first[best], second[best]
        moved = counts[j] - counts[i]
        present[assigned[i]] += moved
        present[assigned[j]] -= moved
        assigned[[i, j]] = assigned[[j, i]]


def _gain(
    first: np.ndarray,
    second: np.ndarray,
    assigned: np.ndarray,
    counts: np.ndarray,
    excess: np.ndarray,
    weight: np.ndarray,
) -> np.ndarray:
    """How the weighted sum of squared excess changes when `first[k]` and `second[k]` swap.

    float [pairs]; below 0 is better.
    """
    moved = counts[second] - counts[first]
    a, b = assigned[first], assigned[second]
    change_a = (2 * excess[a] + moved) * moved * weight[a]
    change_b = (-2 * excess[b] + moved) * moved * weight[b]
    return (change_a + change_b).sum(axis=1)


def share_deviations(counts: np.ndarray, assigned: np.ndarray, subsets: int = 3) -> np.ndarray:
    """How far each class's share of a subset's instances is from its share of all instances.

    `counts` int [n, classes] of images, `assigned` int [n] their subsets. The result is float
    [subsets, classes] in percentage points; NaN for a subset without instances.
    """
    total = counts.sum(axis=0)
    whole = total / max(total.sum(), 1)
    rows = []
    for subset in range(subsets):
        part = counts[assigned == subset].sum(axis=0)
        rows.append(part / part.sum() - whole if part.sum() else np.full(len(whole), np.nan))
    return 100.0 * np.array(rows)


def read_lists(path: str | os.PathLike[str]) -> dict[str, list[str]]:
    """Ready-made lists: subset -> names of images.

    `path` is a folder with `train.txt`, `val.txt` and `test.txt` (one name per line; blank lines
    and lines that begin with # are skipped), or a JSON object {"train": [..], ..}, or the
    `split.json` of an earlier split. Raises `DatasetError` when there is no list, and for a name in
    two subsets.
    """
    path = Path(path)
    lists = _text_lists(path) if path.is_dir() else _json_lists(read_json(path), path)
    seen: dict[str, str] = {}
    for subset, names in lists.items():
        for name in names:
            other = seen.setdefault(name, subset)
            if other != subset:
                raise DatasetError(
                    f"it has {name} in both {other} and {subset}", path=path, advice="choose one"
                )
    if not seen:
        raise DatasetError(
            "the lists name no image", path=path, expected="lists train, val and test"
        )
    return lists


def _text_lists(folder: Path) -> dict[str, list[str]]:
    lists = {}
    for subset in SUBSETS:
        file = folder / f"{subset}.txt"
        if file.is_file():
            lines = (line.strip() for line in _list_text(file).splitlines())
            lists[subset] = [line for line in lines if line and not line.startswith("#")]
    if not lists:
        raise DatasetError(
            "there is no split list in the folder",
            path=folder,
            expected="train.txt, val.txt and test.txt",
        )
    return lists


def _list_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"cannot be read ({error.strerror or error})", path=file) from None
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"this is not a UTF-8 text file (byte {error.start})",
            path=file,
            expected="one image name per line",
        ) from None


def _json_lists(data: Any, path: Path) -> dict[str, list[str]]:
    if isinstance(data, dict) and isinstance(data.get("subsets"), dict):
        data = data["subsets"]
    if not isinstance(data, dict) or not any(subset in data for subset in SUBSETS):
        raise DatasetError(
            "this is not a split list",
            path=path,
            expected='{"train": [names], "val": [..], "test": [..]}',
        )
    lists = {subset: data.get(subset) or [] for subset in SUBSETS}
    for subset, names in lists.items():
        if not isinstance(names, list) or not all(isinstance(n, str | int) for n in names):
            raise DatasetError(f'"{subset}" must be a list of image names', path=path)
    return {subset: [str(name) for name in names] for subset, names in lists.items()}


def match_lists(
    lists: dict[str, list[str]], names: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    """The subset of each of `names` that is listed, and the listed names that are not among them.

    A listed name may lack the folder, the ending and leading zeros (as ids do), if it is unique.
    """
    index: dict[str, str | None] = {}
    for name in names:
        for form in _forms(name):
            # A form that fits two images is ambiguous, and used for neither.
            index[form] = name if index.get(form, name) == name else None
    for name in names:
        index[name] = name
    matched: dict[str, str] = {}
    unknown: list[str] = []
    for subset, listed in lists.items():
        for entry in listed:
            forms = (index.get(form) for form in (entry, *_forms(entry)))
            found = next(filter(None, forms), None)
            if found is None:
                unknown.append(entry)
            elif matched.setdefault(found, subset) != subset:
                raise DatasetError(
                    f"the split lists have {found} in both {matched[found]} and {subset}",
                    advice="choose one",
                )
    return matched, unknown


def _forms(name: str) -> list[str]:
    """Shorter ways to write an image's name: without folder, without ending, without zeros."""
    base = PurePosixPath(name.replace("\\", "/")).name
    stem = PurePosixPath(base).stem
    return list(dict.fromkeys([base, stem, stem.lstrip("0") or stem]))
