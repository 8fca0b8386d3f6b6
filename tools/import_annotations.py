#!/usr/bin/env python3
"""Import annotations of CVAT, Label Studio, LabelMe or YOLO as VIA, which both stages train on."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run_script

if __name__ == "__main__":
    sys.exit(run_script("tools/import_annotations.py"))
