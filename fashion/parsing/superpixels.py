"""Superpixels: their graph, their vote on each garment, and growth over unlabelled ones."""

import math
from typing import NamedTuple

import cv2
import numpy as np

from fashion.labels import MODANET_TABLE, ClassTable
from fashion.parsing.detections import ClassScores, scores_of_labels
from fashion.parsing.settings import ParsingSettings
from fashion.parsing.skin import find_faces, heads, skin_pixels
from mrcnn.drawing.painting import smaller
from mrcnn.geometry.masks import nearest_pixels

HAIR = 256  # a label within completion only, beyond those of uint8


def to_lab(image: np.ndarray) -> np.ndarray:
    """CIE Lab of an image, float32 [H, W, 3]: L 0 to 100, a and b about -128 to 127."""
    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def segment(
    image: np.ndarray, settings: ParsingSettings, body: np.ndarray | None = None
) -> np.ndarray:
    """Superpixels by SLIC in Lab: int32 [H, W], numbered from 1.

    With `settings.person_only` and a body (bool [H, W]) that has a pixel, pixels outside it are 0,
    and the number of segments is that of the body.
    """
    height, width = image.shape[:2]
    if not settings.person_only or body is None or not body.any():
        return _segment_whole(image, settings, settings.segments)
    x, y, wide, high = cv2.boundingRect(np.ascontiguousarray(body).view(np.uint8))
    box = np.s_[y : y + high, x : x + wide]
    wanted = round(settings.segments * wide * high / np.count_nonzero(body))
    found = np.zeros((height, width), np.int32)
    found[box] = np.where(body[box], _segment_whole(image[box], settings, wanted), 0)
    numbers, inverse = np.unique(found, return_inverse=True)
    return (inverse.reshape(height, width) + (numbers[0] != 0)).astype(np.int32)


def _segment_whole(image: np.ndarray, settings: ParsingSettings, segments: int) -> np.ndarray:
    from skimage.segmentation import slic

    height, width = image.shape[:2]
    small = smaller(image, settings.superpixel_side)
    if small is not image:
        found = _segment_whole(small, settings, segments)
        return nearest_pixels(found, height, width)
    lab = to_lab(image)
    if settings.sigma > 0:
        lab = cv2.GaussianBlur(lab, (0, 0), settings.sigma, borderType=cv2.BORDER_REFLECT)
    # slic scales its input to 0..1; the compactness is scaled alike, to stay in Lab's units.
    extent = float(lab.max() - lab.min()) or 1.0
    return slic(
        lab,
        n_segments=max(1, min(segments, height * width // 4)),
        compactness=settings.compactness / extent,
        max_num_iter=settings.iterations,
        sigma=0,
        convert2lab=False,
        start_label=1,
    ).astype(np.int32)


def refine(
    image: np.ndarray,
    scores: ClassScores | np.ndarray,
    body: np.ndarray | None = None,
    settings: ParsingSettings | None = None,
    *,
    superpixels: np.ndarray | None = None,
    table: ClassTable = MODANET_TABLE,
) -> np.ndarray:
    """The joint labels of pixels and superpixels: uint8 [H, W], 0 is the background.

    Args:
        image: uint8 RGB [H, W, 3].
        scores: evidence for each class at each pixel, or finished labels, uint8 [H, W].
        body: bool [H, W], the persons, within which completion may add; None if unknown.
        settings: see `ParsingSettings`.
        superpixels: int32 [H, W], as from `segment`; None to compute them.
        table: the classes.
    """
    settings = settings or ParsingSettings()
    if not isinstance(scores, ClassScores):
        scores = scores_of_labels(scores)
    if not len(scores.class_ids):
        return scores.labels.copy()
    if superpixels is None:
        superpixels = segment(image, settings, body)
    kept = stays_at_pixel_level(scores.labels, superpixels, settings, table)
    chosen, decided = vote(superpixels, scores, kept, settings)
    outside = superpixels == 0
    joint = np.where(decided[superpixels] & ~outside, chosen[superpixels], scores.labels)
    if settings.completion:
        region = _region(scores.labels, body, settings)
        completed = _completed(image, scores.labels, superpixels, chosen, body, region, settings)
        added = completed[superpixels] * region
        joint = np.where((joint == 0) & ~outside, added, joint)
    return np.where(kept, scores.labels, joint).astype(np.uint8)


def stays_at_pixel_level(
    labels: np.ndarray, superpixels: np.ndarray, settings: ParsingSettings, table: ClassTable
) -> np.ndarray:
    """Pixels of thin garments, and of pieces too small for superpixels: bool [H, W]."""
    thin = [row.id for row in map(table.find, settings.pixel_classes) if row]
    kept = np.isin(labels, thin)
    least = settings.pixel_area * labels.size / max(1, int(superpixels.max()))
    for class_id in np.unique(labels[~kept]):
        if class_id == 0:
            continue
        mask = (labels == class_id).view(np.uint8)
        _, parts, boxes, _ = cv2.connectedComponentsWithStats(mask)
        small = boxes[:, cv2.CC_STAT_AREA] < least
        small[0] = False
        if small.any():
            kept |= small[parts]
    return kept


def vote(
    superpixels: np.ndarray, scores: ClassScores, kept: np.ndarray, settings: ParsingSettings
) -> tuple[np.ndarray, np.ndarray]:
    """The label of each superpixel, int64 [nodes], and whether it decides for its pixels, bool.

    Two questions: whether there is a garment (half of the foreground's probability), and which
    (the greatest share of the support). Pixels that stay at pixel level have no vote.
    """
    total = scores.support.sum(axis=0)
    shares = scores.support * (scores.foreground / np.where(total > 0, total, 1))
    if settings.vote == "area":
        means = node_means(superpixels, shares, ~kept)
    else:
        means = _centre_means(superpixels, shares)
    garment = means.sum(axis=0)
    is_garment = garment >= 0.5
    chosen = np.where(is_garment, scores.class_ids[means.argmax(axis=0)], 0)
    share = np.where(is_garment, means.max(axis=0), 1 - garment)
    # Networks miss garments more often than they invent them: removing one needs more votes.
    needed = np.where(is_garment, settings.agreement, settings.removal)
    return chosen, share >= needed


def _centre_means(superpixels: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Means over each centroid and its four neighbours: [classes, nodes]."""
    rows, columns = node_centres(superpixels)
    height, width = superpixels.shape
    rows = np.clip(rows + np.array([[0], [-1], [1], [0], [0]]), 0, height - 1)
    columns = np.clip(columns + np.array([[0], [0], [0], [-1], [1]]), 0, width - 1)
    return shares[:, rows, columns].mean(axis=1)


def _completed(
    image: np.ndarray,
    labels: np.ndarray,
    superpixels: np.ndarray,
    chosen: np.ndarray,
    body: np.ndarray | None,
    region: np.ndarray,
    settings: ParsingSettings,
) -> np.ndarray:
    """The labels of all superpixels after completion, int64 [nodes]; hair and the rest are 0."""
    faces = find_faces(image, body, labels, settings)
    skin = skin_pixels(image, faces, settings)
    head = heads(faces, labels.shape) if settings.hair else np.zeros(labels.shape, bool)
    layers = np.stack([region, skin, head])
    inside, skin, head = node_means(superpixels, layers)
    free = (inside >= 0.5) & (skin < settings.skin_share) & (chosen == 0)
    start = np.where(free & (head >= 0.5), HAIR, chosen)
    free[0], start[0] = False, 0  # what is outside the superpixels
    colours = node_means(superpixels, np.moveaxis(to_lab(image), -1, 0)).T
    grown = complete(
        start,
        colours,
        find_borders(superpixels),
        free,
        distance=settings.completion_distance,
        border=settings.completion_border,
        contact=settings.completion_contact,
    )
    return np.where(grown == HAIR, 0, grown)


def _region(labels: np.ndarray, body: np.ndarray | None, settings: ParsingSettings) -> np.ndarray:
    """Where completion may add, bool [H, W]: on the body, else in gaps of the garments."""
    if body is not None and body.any():
        return body
    return close_gaps(labels > 0, settings.gap * math.hypot(*labels.shape))


def close_gaps(mask: np.ndarray, width: float) -> np.ndarray:
    """A bool mask [H, W] with gaps between its parts filled, up to `width` pixels wide.

    Morphological closing with a disc, by distances: their cost does not grow with the disc.
    """
    reach = int(width / 2)
    if not reach or not mask.any():
        return mask.copy()
    # Within an empty frame, since a garment would otherwise grow along the image's edge.
    framed = np.pad(~mask, reach + 1, constant_values=True).view(np.uint8)
    wide = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= reach
    deep = cv2.distanceTransform(wide.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    inner = np.s_[reach + 1 : -reach - 1]
    return (deep > reach)[inner, inner] | mask


class Borders(NamedTuple):
    """Pairs of neighbours, each once in either direction.

    Attributes:
        of, to: int64 [E], the superpixels.
        length: int64 [E], pixel edges that they share.
    """

    of: np.ndarray
    to: np.ndarray
    length: np.ndarray


def node_means(
    superpixels: np.ndarray, values: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Means over the pixels of each superpixel: float64 [..., nodes].

    Args:
        superpixels: int32 [H, W], 0 to nodes - 1.
        values: [..., H, W].
        weights: float or bool [H, W], of the pixels; None for equal weights.

    A superpixel without weight gets 0.
    """
    flat = superpixels.ravel()
    count = int(flat.max(initial=-1)) + 1
    layers = values.reshape(-1, flat.size)
    if weights is None:
        total = np.bincount(flat, minlength=count)
    else:
        weights = np.asarray(weights, np.float64).ravel()
        total = np.bincount(flat, weights, count)
    # Layer by layer: together they would need several times the memory.
    weighted = (layer if weights is None else layer * weights for layer in layers)
    sums = [np.bincount(flat, layer, count) for layer in weighted]
    means = np.reshape(sums, (len(sums), count)) / np.where(total > 0, total, 1)
    return means.reshape(*values.shape[:-2], count)


def node_centres(superpixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pixels nearest to the centroids: rows and columns, int64 [nodes] each."""
    rows, columns = np.indices(superpixels.shape, dtype=np.float32)
    centres = np.rint(node_means(superpixels, np.stack([rows, columns]))).astype(np.int64)
    return centres[0], centres[1]


def find_borders(superpixels: np.ndarray) -> Borders:
    """Which superpixels touch, along pixel edges (not corners)."""
    count = int(superpixels.max(initial=-1)) + 1
    keys = []
    for one, other in (
        (superpixels[:, :-1], superpixels[:, 1:]),
        (superpixels[:-1], superpixels[1:]),
    ):
        apart = one != other
        one, other = one[apart].astype(np.int64), other[apart].astype(np.int64)
        keys += [one * count + other, other * count + one]
    pairs, length = np.unique(np.concatenate(keys), return_counts=True)
    of, to = np.divmod(pairs, max(count, 1))
    return Borders(of, to, length)


def complete(
    labels: np.ndarray,
    colours: np.ndarray,
    borders: Borders,
    free: np.ndarray,
    *,
    distance: float,
    border: float,
    contact: float,
) -> np.ndarray:
    """Let labels grow over free superpixels until nothing changes: int64 [nodes].

    In each round a free superpixel without a label looks at its neighbours that have one. It joins
    the label with the longest common border among the neighbours of agreeing colour, when that is
    at least `border` of its border with labelled neighbours and `contact` of its whole border.

    Args:
        labels: int [nodes], 0 where there is none.
        colours: float [nodes, 3], mean Lab colours.
        borders: which superpixels touch.
        free: bool [nodes], which may be labelled.
        distance: Lab distance up to which two colours agree.
        border, contact: shares, 0 to 1.
    """
    labels = np.array(labels, dtype=np.int64)
    count, kinds = len(labels), int(labels.max(initial=0)) + 1
    agrees = np.linalg.norm(colours[borders.of] - colours[borders.to], axis=1) <= distance
    whole = np.bincount(borders.of, borders.length, count)
    while True:
        open_ = free & (labels == 0)
        seen = open_[borders.of] & (labels[borders.to] > 0)
        if not seen.any():
            return labels
        of, length = borders.of[seen], borders.length[seen]
        kind = labels[borders.to[seen]]
        labelled = np.bincount(of, length, count)
        votes = np.bincount(of * kinds + kind, length * agrees[seen], count * kinds)
        votes = votes.reshape(count, kinds)
        winner, most = votes.argmax(axis=1), votes.max(axis=1)
        joins = open_ & (most > 0) & (most >= border * labelled) & (most >= contact * whole)
        if not joins.any():
            return labels
        labels[joins] = winner[joins]
