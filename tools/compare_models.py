#!/usr/bin/env python3
"""Draw what the garment model and the season model find on the same pictures, side by side."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run_script

if __name__ == "__main__":
    sys.exit(run_script("tools/compare_models.py"))
