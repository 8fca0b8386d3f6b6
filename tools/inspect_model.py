#!/usr/bin/env python3
"""Inspect a model or a weight file: pictures of every step, a page, and the numbers as JSON."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run_script

if __name__ == "__main__":
    sys.exit(run_script("tools/inspect_model.py"))
