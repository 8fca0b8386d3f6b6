#!/usr/bin/env python3
"""Turn VIA annotations into COCO annotations."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run_script

if __name__ == "__main__":
    sys.exit(run_script("tools/via_to_coco.py"))
