#!/usr/bin/env python3
"""Stage 2: train on season-labelled garments, or colour-splash a picture or a video."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from fashion.commands import run_script

if __name__ == "__main__":
    sys.exit(run_script("model2/samples/custom/trainSeasonData.py"))
