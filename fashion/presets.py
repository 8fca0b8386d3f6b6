"""The name that users' scripts import from here; it is defined in `fashion.stages.presets`."""

from fashion.stages.presets import make_config

__all__ = ["make_config"]
