"""Fashion on top of `mrcnn`: labels, annotations, training stages, pictures."""

from pathlib import Path

# The places of files that come with the project. They are found here alone, so that a module can
# move to another folder without losing them.
PACKAGE = Path(__file__).resolve().parent
REPOSITORY = PACKAGE.parent
# Templates, styles and scripts of the HTML pages.
PAGES = PACKAGE / "html" / "static"
# Weights that the demo starts from; without the file it starts from random ones.
DEMO_START = PACKAGE / "demo" / "demo_start.h5"
# Weights trained on photographs, which `load("photo")` takes.
PHOTO_WEIGHTS = PACKAGE / "photo" / "photo.h5"
