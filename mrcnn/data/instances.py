"""The instances of an image as all code gets them: checked, and in one format.

Subclasses of `Dataset` come from users. Their masks may be bool, 0 and 1, 0 to 255 or
probabilities; training and all metrics see the same bool masks.
"""

import numpy as np

from mrcnn.data.dataset import Dataset
from mrcnn.errors import DatasetError

MOST_LOADED = 200  # images whose masks are loaded before training, which takes a few seconds


def load_instances(dataset: Dataset, image_id: int) -> tuple[np.ndarray, np.ndarray]:
    """What `dataset.load_mask` returns, as bool [height, width, N] and int32 [N].

    The threshold is 0.5 for values up to 1, and 127.5 for values up to 255; the maximum over all
    masks of the image decides.

    Raises:
        DatasetError: the masks are something else, or `checked_class_ids` rejects the class ids.
    """
    masks, class_ids = dataset.load_mask(image_id)
    masks = np.asarray(masks)
    if masks.ndim != 3:
        raise _error(dataset, image_id, "the masks are not [height, width, N]", None, masks.shape)
    class_ids = checked_class_ids(dataset, image_id, class_ids, masks.shape[2])
    return _bool_masks(dataset, image_id, masks), class_ids


def checked_class_ids(
    dataset: Dataset, image_id: int, class_ids: np.ndarray, count: int | None = None
) -> np.ndarray:
    """The class ids of an image's instances as int32 [N].

    Raises:
        DatasetError: there are not `count` of them, or one is not a class number of the data set:
            1 to `num_classes` - 1, negative for a crowd.
    """
    given = np.asarray(class_ids).reshape(-1)
    if count is not None and len(given) != count:
        raise _error(
            dataset, image_id, "it does not have as many class ids as masks", count, len(given)
        )
    numbers = given.astype(np.int32) if given.dtype.kind in "iuf" or not given.size else None
    last = dataset.num_classes - 1
    right = [False] if numbers is None else (numbers == given) & (numbers != 0)
    if numbers is None or not np.all(right & (np.abs(numbers) <= last)):
        expected = f"whole numbers from 1 to {last}, negative for a crowd"
        found = ", ".join(map(str, given[:8].tolist())) + ", ..." * (len(given) > 8)
        raise _error(dataset, image_id, "its class ids are not those of classes", expected, found)
    return numbers


def require_class_ids(dataset: Dataset) -> None:
    """Check class ids before training starts, not when the first bad image is loaded.

    Only those of `MOST_LOADED` evenly spaced images are checked, since it requires their masks.

    Raises:
        DatasetError: see `checked_class_ids`.
    """
    image_ids = dataset.image_ids
    for image_id in image_ids[:: max(1, -(-len(image_ids) // MOST_LOADED))]:
        try:
            masks, class_ids = dataset.load_mask_crops(image_id) or dataset.load_mask(image_id)
        except Exception:  # the loader will raise it, and name the image
            continue
        count = masks.shape[-1] if isinstance(masks, np.ndarray) else len(masks)
        checked_class_ids(dataset, image_id, class_ids, count)


def _bool_masks(dataset: Dataset, image_id: int, masks: np.ndarray) -> np.ndarray:
    if masks.dtype == bool or not masks.size:
        return masks.astype(bool, copy=False)
    expected = "bool, or numbers of which the greatest is 1 or from 128 to 255"
    if masks.dtype.kind not in "iuf":
        raise _error(dataset, image_id, "its masks are not numbers", expected, masks.dtype)
    low, high = masks.min(), masks.max()
    if low < 0 or not (high <= 1 or 127.5 < high <= 255):
        found = f"numbers from {low:g} to {high:g}"
        raise _error(
            dataset, image_id, "its masks do not have the values of masks", expected, found
        )
    return masks > (0.5 if high <= 1 else 127.5)


def _error(dataset, image_id, problem, expected, found) -> DatasetError:
    return DatasetError(
        problem,
        path=dataset.image_info[image_id].get("path") or f"image {image_id}",
        expected=None if expected is None else str(expected),
        found=found,
        advice="correct load_mask of the data set",
    )
