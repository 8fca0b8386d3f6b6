#!/usr/bin/env python3
"""Describe a data set in figures, draw its annotations, or check that every image can be read."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run_script

if __name__ == "__main__":
    sys.exit(run_script("tools/dataset_stats.py"))
