"""The names that users' scripts import from here; they are defined in `fashion.pictures.sheets`."""

from fashion.pictures.sheets import plot_losses, save_detections_png

__all__ = ["plot_losses", "save_detections_png"]
