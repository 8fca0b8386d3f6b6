#!/usr/bin/env python3
"""Turn label maps (a number for each pixel) into a COCO file of instances."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run_script

if __name__ == "__main__":
    sys.exit(run_script("tools/label_maps_to_coco.py"))
