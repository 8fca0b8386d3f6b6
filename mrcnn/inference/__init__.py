"""From a photograph to detections."""
