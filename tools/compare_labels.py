#!/usr/bin/env python3
"""Compare automatic labels with the truth: precision, recall and IoU of each label, worst cases."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run_script

if __name__ == "__main__":
    sys.exit(run_script("tools/compare_labels.py"))
