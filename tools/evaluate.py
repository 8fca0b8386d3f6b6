#!/usr/bin/env python3
"""COCO average precision of a stage's model on annotated pictures."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run_script

if __name__ == "__main__":
    sys.exit(run_script("tools/evaluate.py"))
