"""`python -m fashion`, the same as `fashion-mrcnn`."""

import sys

from fashion.commands import main

if __name__ == "__main__":
    sys.exit(main(prog="python -m fashion"))
