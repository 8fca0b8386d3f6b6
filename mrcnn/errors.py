"""The errors that say what a user can do about them.

Command-line scripts print the one sentence of a `UserError` and end with exit code 2; any other
exception is a defect of this project and keeps its traceback.
"""


class UserError(ValueError):
    """Input that the user can put right: the message says which, what was expected, what to do."""


class ConfigError(UserError):
    """A Config attribute has a value that cannot work."""


class DatasetError(UserError):
    """An image, an annotation or a class table cannot be used as it is."""


class WeightsError(UserError):
    """A weight file is missing, damaged, or does not fit the model."""


class WeightsNotFoundError(WeightsError, FileNotFoundError):
    """No weight file where one was looked for."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class DownloadError(UserError):
    """A file could not be fetched, or what came is not what was expected."""


class TrainingError(UserError):
    """Training cannot go on: the loss is no longer finite, or a loader worker died."""
