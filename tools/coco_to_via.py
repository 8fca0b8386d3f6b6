#!/usr/bin/env python3
"""Turn COCO annotations into the VIA annotations that both stages train on."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run_script

if __name__ == "__main__":
    sys.exit(run_script("tools/coco_to_via.py"))
