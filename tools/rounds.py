#!/usr/bin/env python3
"""From a folder of photographs to a model for them: label, review, correct, train, repeat."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run_script

if __name__ == "__main__":
    sys.exit(run_script("tools/rounds.py"))
