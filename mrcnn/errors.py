"""The errors that say what a user can do about them.

Command-line scripts print the one sentence of a `UserError` and end with exit code 2; any other
exception is a defect of this project and keeps its traceback.
"""


def printable(text: object) -> str:
    """Text for a terminal: what would steer it (in a file's name, say) is shown as its code.

    The result is one line, whatever stands in it.
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class UserError(ValueError):
    """Input that the user can put right: the message says which, what was expected, what to do.

    As text it is one printable line, although parts of it may come from files of others.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class ConfigError(UserError):
    """A Config attribute has a value that cannot work."""


class DatasetError(UserError):
    """An image, an annotation or a class table cannot be used as it is."""


class WeightsError(UserError):
    """A weight file is missing, damaged, or does not fit the model."""


class WeightsNotFoundError(WeightsError, FileNotFoundError):
    """No weight file where one was looked for."""

    def __str__(self) -> str:
        return printable(self.args[0]) if self.args else ""


class DownloadError(UserError):
    """A file could not be fetched, or what came is not what was expected."""


class TrainingError(UserError):
    """Training cannot go on: the loss is no longer finite, or a loader worker died."""
