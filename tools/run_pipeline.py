#!/usr/bin/env python3
"""Run the whole pipeline: both trainings, labels, pictures, figures, and a page that shows them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fashion.commands import run_script

if __name__ == "__main__":
    sys.exit(run_script("tools/run_pipeline.py"))
