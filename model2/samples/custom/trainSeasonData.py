#!/usr/bin/env python3
"""Stage 2: train on season-labelled garments, or colour-splash a picture or a video.

    cd model2/samples/custom
    python3 trainSeasonData.py train --dataset=DIR --model=mask_rcnn_Modanet.h5
    python3 trainSeasonData.py train --dataset=DIR --model=last
    python3 trainSeasonData.py train --dataset=DIR --classes=FILE.json
    python3 trainSeasonData.py splash --model=FILE.h5 --image=FILE|URL

DIR holds train/ and val/, each with images and via_region_data.json; tools/split_dataset.py makes
it of what generateVggAnno.py labelled. From stage 1's weights (13 classes to 9) everything is kept
except the class-dependent heads, which start over. The numbers of samples are printed, with a
warning for labels that have few. The preset is that of the weights; `default` needs a GPU, `demo`
takes under an hour on two cores.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from fashion.stages.command import train_or_splash
from fashion.stages.stage import SEASON_STAGE
from fashion.terminal import run

if __name__ == "__main__":
    sys.exit(run(lambda: train_or_splash(SEASON_STAGE, __doc__)))
