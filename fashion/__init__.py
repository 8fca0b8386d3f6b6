"""Fashion on top of `mrcnn`: labels, annotations, training stages, pictures.

import fashion

model = fashion.load("photo")  # or a weight file
print(model.detect("picture.jpg"))
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

# Where the files that come with the project are. No other module works this out, so that each can
# move to another folder without losing them.
PACKAGE = Path(__file__).resolve().parent
# Whether the scripts are beside the package, as in a clone.
IN_CLONE = (PACKAGE.parent / "tools" / "run_pipeline.py").is_file()
# Where weights, pictures and results are by default: the clone, or else the current folder.
REPOSITORY = PACKAGE.parent if IN_CLONE else Path.cwd()
# Templates, styles and scripts of the HTML pages.
PAGES = PACKAGE / "html" / "static"
# Weights that the demo starts from; without the file it starts from random ones.
DEMO_START = PACKAGE / "demo" / "demo_start.h5"
# Weights trained on photographs, which `load("photo")` loads.
PHOTO_WEIGHTS = PACKAGE / "photo" / "photo.h5"


def __getattr__(name: str) -> Any:
    if name == "load":
        check_network()
        return importlib.import_module("fashion.detector").load
    raise AttributeError(f"module 'fashion' has no attribute {name!r}")


def check_network() -> None:
    """Raise ImportError where Python finds another package called `mrcnn`.

    Matterport's package and its copies have that name, too; whichever is installed last replaces
    the other's files.
    """
    import mrcnn

    if getattr(mrcnn, "__version__", None) != __version__:
        places = ", ".join(map(str, mrcnn.__path__))
        raise ImportError(
            f"{places}: this is another package called mrcnn, not the one that fashion "
            f"{__version__} needs: uninstall it, and install fashion-mask-rcnn again."
        )
