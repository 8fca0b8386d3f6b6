"""What the benchmark of the photo weights prints; it runs no network."""

from benchmarks.photo_quality import report

MEASURED = {
    "md5": {"instances_val.json": "00ff"},
    "photographs": 2,
    "seconds": 0.125,
    "box_AP50": 0.5,
    "mask_AP50": 0.25,
    "mask_AP": 0.125,
    "person_mask_IoU": 0.875,
    "classes": {"bag": {"box_AP50": 0.5, "mask_AP50": 0.25, "mask_AP": 0.125, "instances": 3}},
    "labels": [{"confidence": 0.7, "precision": 1.0, "recall": 0.5, "iou": 0.75}],
    "calibration": [{"score": 0.8, "precision": 0.9, "detections": 10}],
}


def test_report():
    lines = [line.split() for line in report(MEASURED).splitlines()]
    assert lines[0] == ["instances_val.json:", "md5", "00ff"]
    assert ["bag", "3", "0.500", "0.250", "0.125"] in lines
    assert ["all", "0.500", "0.250", "0.125"] in lines
    assert ["0.700", "1.000", "0.500", "0.750"] in lines
    assert ["0.800", "0.900", "10"] in lines


def test_nothing_detected():
    nothing = {**MEASURED, "labels": [], "calibration": []}
    assert "mean score" in report(nothing)
