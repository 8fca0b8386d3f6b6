#!/usr/bin/env python3
"""Give photographs names with a season, from a table or from the folders they are in."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run_script

if __name__ == "__main__":
    sys.exit(run_script("tools/name_seasons.py"))
