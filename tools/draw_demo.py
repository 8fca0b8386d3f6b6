#!/usr/bin/env python3
"""Draw the demo data set: people in ModaNet's garments, with exact masks, for both stages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run_script

if __name__ == "__main__":
    sys.exit(run_script("tools/draw_demo.py"))
