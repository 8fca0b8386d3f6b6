#!/usr/bin/env python3
"""Divide an annotated folder of images into train/, val/ and test/."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run_script

if __name__ == "__main__":
    sys.exit(run_script("tools/split_dataset.py"))
