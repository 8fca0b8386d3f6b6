#!/usr/bin/env python3
"""Repair the boxes and polygons of boots and footwear in ModaNet's COCO file."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run_script

if __name__ == "__main__":
    sys.exit(run_script("tools/repair_modanet.py"))
