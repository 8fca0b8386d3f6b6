"""Errors that say what the user can do about them.

An error carries data: which file, which region, which setting, what was expected, what was found,
what to do. The sentence is composed when it is printed (`UserError.sentence`), so that a script can
name its options where this package names Config attributes, and a web page can name an upload
instead of a temporary file.

Command-line scripts print that one sentence and exit with code 2; any other exception is a defect
of this project and keeps its traceback.
"""

from collections.abc import Mapping
from typing import Any


def printable(text: object) -> str:
    """Text for a terminal: control characters (in a file's name, say) are shown as escape codes.

    The result is always one line.
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def counted(number: int, thing: str, things: str | None = None) -> str:
    """A number with its noun: "1 picture", "3 pictures", "1,200 pictures"."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


class UserError(ValueError):
    """Invalid input that the user can correct.

    As text it is one printable line, although parts of it may come from other people's files.

    Attributes:
        problem: what is wrong, without location, expectation or advice.
        path: the file, folder or address concerned.
        region: the region, row or annotation within that file.
        settings: names of Config attributes or arguments. `problem`, `expected` and `advice` write
            them as `{NAME}`; `sentence` replaces them with the user's names.
        expected: what would have been right.
        found: what was there instead.
        advice: what to do, in the imperative: "add images to its folder".
    """

    def __init__(
        self,
        problem: str,
        *,
        path: object = None,
        region: object = None,
        settings: tuple[str, ...] = (),
        expected: str | None = None,
        found: object = None,
        advice: str | None = None,
    ):
        super().__init__(problem)
        self.problem = problem
        self.path = path
        self.region = region
        self.settings = settings
        self.expected = expected
        self.found = found
        self.advice = advice

    @property
    def fields(self) -> dict[str, Any]:
        """The keyword arguments that recreate this error."""
        return {
            "path": self.path,
            "region": self.region,
            "settings": self.settings,
            "expected": self.expected,
            "found": self.found,
            "advice": self.advice,
        }

    def replace(self, **changes: Any) -> "UserError":
        """The same error with other fields: `error.replace(path="The upload")`."""
        fields = {"problem": self.problem, **self.fields, **changes}
        return type(self)(fields.pop("problem"), **fields)

    def sentence(self, names: Mapping[str, str] | None = None) -> str:
        """The error as one printable line: `PATH, region R: problem: expected E, found F; advice.`

        names: the user's name of each setting by its name here: `{"BATCH_SIZE": "--batch"}`.
        """
        place = ", ".join(
            part
            for part in (
                "" if self.path is None else str(self.path),
                "" if self.region is None else f"region {self.region}",
            )
            if part
        )
        text = f"{place}: {self.problem}" if place else self.problem
        details = [
            *([] if self.expected is None else [f"expected {self.expected}"]),
            *([] if self.found is None else [f"found {self.found}"]),
        ]
        if details:
            text = f"{text}: {', '.join(details)}"
        if self.advice:
            text = f"{text}; {self.advice}"
        for setting in self.settings:
            text = text.replace(f"{{{setting}}}", (names or {}).get(setting, setting))
        text = printable(text)
        return text if text.endswith((".", "!", "?")) else f"{text}."

    def __str__(self) -> str:
        return self.sentence()

    def __reduce__(self):
        return _rebuilt, (type(self), self.problem, self.fields)


def _rebuilt(kind: type[UserError], problem: str, fields: dict[str, Any]) -> UserError:
    """Recreate an error that was sent to another process."""
    return kind(problem, **fields)


class ConfigError(UserError):
    """A Config attribute has a value that cannot work."""


class DatasetError(UserError):
    """An image, an annotation or a class table cannot be used as it is."""


class WeightsError(UserError):
    """A weight file is missing, damaged, or does not fit the model."""


class WeightsNotFoundError(WeightsError, FileNotFoundError):
    """There is no weight file in the expected place."""


class DownloadError(UserError):
    """A file could not be downloaded, or is not what was expected."""


class TrainingError(UserError):
    """Training cannot continue: the loss is no longer finite, or a loader worker died."""
