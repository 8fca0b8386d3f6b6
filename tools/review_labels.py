#!/usr/bin/env python3
"""Review labels in a browser, accept or reject them, and clean the annotations accordingly."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run_script

if __name__ == "__main__":
    sys.exit(run_script("tools/review_labels.py"))
