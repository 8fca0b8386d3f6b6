"""The weight files that are downloaded when missing: COCO and ImageNet.

Nothing here imports Keras or TensorFlow, except `keras_applications_resnet50`, which asks the
installed Keras for its URL.
"""

import contextlib
import dataclasses
import importlib
import os
from pathlib import Path

from mrcnn.errors import DownloadError
from mrcnn.system.fetching import download, file_hash

__all__ = [
    "COCO_MODEL_URL",
    "KNOWN",
    "TF_WEIGHTS_PATH_NO_TOP",
    "KnownFile",
    "cache_folder",
    "download",
    "download_trained_weights",
    "fetch_known",
    "file_hash",
    "get_imagenet_weights_path",
    "keras_applications_resnet50",
]

# Matterport's names for the two URLs.
COCO_MODEL_URL = "https://github.com/matterport/Mask_RCNN/releases/download/v2.0/mask_rcnn_coco.h5"
TF_WEIGHTS_PATH_NO_TOP = (
    "https://github.com/fchollet/deep-learning-models/releases/download/v0.2/"
    "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
)

# Means "the checksum in the table", since None already means "do not check".
KNOWN_CHECKSUM = "known"


@dataclasses.dataclass(frozen=True)
class KnownFile:
    """A file on the network and how to recognise it.

    Attributes:
        key: short name; `FASHION_MRCNN_MD5_<KEY>` in the environment overrides the checksum: an
            MD5, or `none` for no check.
        file_name: name under which it is kept.
        url: where to download it.
        size: bytes, where known.
        md5: hexadecimal.
    """

    key: str
    file_name: str
    url: str
    size: int | None
    md5: str | None

    def with_checksum(self, md5: str | None) -> "KnownFile":
        """The file with another checksum, None for none; the size then no longer holds either."""
        return dataclasses.replace(self, md5=md5, size=None)


KNOWN = {
    "coco": KnownFile(
        key="coco",
        file_name="mask_rcnn_coco.h5",
        url=COCO_MODEL_URL,
        size=257_557_808,
        md5="e98aaff6f99e307b5e2a8a3ff741a518",
    ),
    "imagenet": KnownFile(
        key="imagenet",
        file_name="resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        url=TF_WEIGHTS_PATH_NO_TOP,
        size=None,
        md5="a268eb855778b3df3c7506639542a6af",
    ),
}


def fetch_known(
    known: KnownFile,
    path: str | os.PathLike,
    *,
    checksum: str | None = KNOWN_CHECKSUM,
    progress: bool = True,
) -> Path:
    """Download a file of the table to `path`; an existing file is kept.

    Args:
        known: the file.
        path: where to put it.
        checksum: an MD5 to use instead of the table's, or None to accept any content. The
            environment variable `FASHION_MRCNN_MD5_<KEY>` is the default.
        progress: show a progress bar on stderr.

    Raises:
        DownloadError: it cannot be downloaded or is not what was expected.
    """
    path = Path(path)
    if path.is_file():
        return path
    if checksum == KNOWN_CHECKSUM:
        checksum = os.environ.get(f"FASHION_MRCNN_MD5_{known.key.upper()}", KNOWN_CHECKSUM)
        checksum = None if checksum.lower() == "none" else checksum
    if checksum != KNOWN_CHECKSUM:
        known = known.with_checksum(checksum)
    return download(known.url, path, size=known.size, md5=known.md5, progress=progress)


def download_trained_weights(
    coco_model_path: str | os.PathLike,
    verbose: int = 1,
    url: str | None = None,
    md5: str | None = KNOWN_CHECKSUM,
) -> Path:
    """Download Matterport's COCO weights to `coco_model_path` unless the file exists.

    Args:
        coco_model_path: the file to write.
        verbose: 0 for no progress bar.
        url: a mirror of the file.
        md5: of the mirror's file if it differs; None to skip the check.

    Raises:
        DownloadError: it cannot be downloaded or is not what was expected.
    """
    known = KNOWN["coco"]
    if url is not None:
        known = dataclasses.replace(known, url=url)
    return fetch_known(known, coco_model_path, checksum=md5, progress=verbose > 0)


def get_imagenet_weights_path(
    cache_dir: str | os.PathLike | None = None,
    *,
    backbone: object = "resnet50",
    progress: bool = True,
) -> Path:
    """The cached file of a backbone's ImageNet weights, without the classifier.

    Those of the EfficientNets come from an installed package, without a download. Any other
    backbone starts from ResNet-50's: the file that Matterport used or, if it cannot be downloaded,
    that of the installed Keras, whose layers have other names
    (`mrcnn.weights.matching.load_weights` knows both). A copy that Keras itself has already
    downloaded (`~/.keras/models`) is used in place.

    Args:
        cache_dir: folder to keep it in instead of `cache_folder()`.
        backbone: Config.BACKBONE.
        progress: show a progress bar on stderr.

    Raises:
        DownloadError: neither can be downloaded.
    """
    folder = cache_folder() if cache_dir is None else Path(cache_dir)
    if isinstance(backbone, str) and backbone.startswith("efficientnet"):
        from mrcnn.weights.efficientnet_weights import converted_imagenet_file

        return converted_imagenet_file(folder, backbone)
    original = KNOWN["imagenet"]
    if (folder / original.file_name).is_file():
        return folder / original.file_name
    current = keras_applications_resnet50()
    if (folder / current.file_name).is_file():
        return folder / current.file_name
    of_keras = _keras_folder() / original.file_name  # Keras uses one name for both
    if of_keras.is_file() and file_hash(of_keras) in (original.md5, current.md5):
        return of_keras
    try:
        return fetch_known(original, folder / original.file_name, progress=progress)
    except DownloadError:
        if current != original:
            with contextlib.suppress(DownloadError):
                return fetch_known(current, folder / current.file_name, progress=progress)
        raise  # the first error: its advice is the one to follow


def keras_applications_resnet50() -> KnownFile:
    """The file that the installed `keras.applications.ResNet50(include_top=False)` uses.

    Keras does not expose the URL and checksum in its public API; if they are not found, the older
    file is returned instead.
    """
    for name in ("keras.applications.resnet", "keras.src.applications.resnet"):
        try:
            module = importlib.import_module(name)
            _, md5 = module.WEIGHTS_HASHES["resnet50"]
            url = module.BASE_WEIGHTS_PATH + KNOWN["imagenet"].file_name
        except (ImportError, AttributeError, KeyError, TypeError, ValueError):
            continue
        return KnownFile("imagenet_keras", "resnet50_keras_applications_notop.h5", url, None, md5)
    return KNOWN["imagenet"]


def cache_folder() -> Path:
    """Where downloaded files are kept: `FASHION_MRCNN_CACHE`, else in the user's cache.

    That is `fashion_mrcnn` in `XDG_CACHE_HOME`, else in `~/.cache`. The folder need not exist.
    """
    chosen = os.environ.get("FASHION_MRCNN_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    user = os.environ.get("XDG_CACHE_HOME")
    return (Path(user) if user else Path.home() / ".cache") / "fashion_mrcnn"


def _keras_folder():
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models"
