"""Links among images: those that lead out of the folder a user named are not followed.

A data set from somebody else could otherwise bring pictures of this machine into what is trained,
drawn or published. Set `FASHION_MRCNN_FOLLOW_LINKS=1` to follow links that you made yourself.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from mrcnn.errors import DatasetError

VARIABLE = "FASHION_MRCNN_FOLLOW_LINKS"
SHOWN = 3


def links_are_followed() -> bool:
    """Whether the user allows links out of a folder."""
    return os.environ.get(VARIABLE) == "1"


def leads_out(folder: Path, name: str) -> bool:
    """Whether `folder / name` is, or lies behind, a link to a place outside of `folder`.

    The folder itself may be a link. False where such links are allowed.
    """
    place, is_link = folder, False
    for part in Path(name).parts:
        place = place / part
        is_link = is_link or place.is_symlink()
    if not is_link or links_are_followed():
        return False
    root, target = os.path.realpath(folder), os.path.realpath(place)
    return not Path(target).is_relative_to(root)


def check_links(names: Iterable[str], folder: Path) -> None:
    """Raise `DatasetError` where images of a folder are links that lead out of it."""
    leaving = [name for name in names if leads_out(folder, name)]
    if leaving:
        some = ", ".join(leaving[:SHOWN]) + (", .." if len(leaving) > SHOWN else "")
        raise DatasetError(
            f"{len(leaving)} of its images are links that lead out of it ({some})",
            path=folder,
            advice=f"copy the files there, or set {VARIABLE}=1 in the environment if you made the "
            "links yourself",
        )
