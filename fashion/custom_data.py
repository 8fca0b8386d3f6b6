"""What the `custom.py` modules of both stages hand to users' own scripts."""

import os

from fashion.dataset import FashionDataset
from fashion.labels import ClassTable


class CustomDataset(FashionDataset):
    """A data set that is loaded by `load_custom`, as scripts for Matterport's samples do.

    Subclasses set `classes`.
    """

    classes: ClassTable

    def load_custom(self, dataset_dir: str | os.PathLike[str], subset: str) -> None:
        """Add the images of `dataset_dir/subset`; see `FashionDataset.load`. Then `prepare`."""
        self.load(dataset_dir, subset, self.classes)
