#!/usr/bin/env python3
"""Stage 1: train on ModaNet's thirteen garment classes, or colour-splash a picture or a video.

    python3 model1/samples/custom/trainModaNet.py train --dataset=DIR --model=coco
    python3 model1/samples/custom/trainModaNet.py train --dataset=DIR --model=last
    python3 model1/samples/custom/trainModaNet.py train --dataset=DIR --preset=demo
    python3 model1/samples/custom/trainModaNet.py splash --model=FILE.h5 --image=FILE|URL
    python3 model1/samples/custom/trainModaNet.py splash --model=FILE.h5 --video=FILE

DIR holds train/ and val/, each with images and via_region_data.json (tools/coco_to_via.py makes it
of ModaNet's file). Training writes a checkpoint after every epoch; --model=last resumes it at any
time. The preset `default` needs a GPU; `demo` takes some 40 minutes on two cores and finds large
garments roughly: it shows that everything works, not what the network can do.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from fashion.stages.command import train_or_splash
from fashion.stages.stage import MODANET_STAGE
from fashion.terminal import run

if __name__ == "__main__":
    sys.exit(run(lambda: train_or_splash(MODANET_STAGE, __doc__)))
