"""What goes wrong with an expression: it does not compile, or it has no result for one object."""


class ExpressionError(ValueError):
    """The text is not an expression. The message says what, where, and what to do instead.

    ``position`` counts characters from 1; ``expected`` names what would have been right at that place.
    """

    def __init__(self, message: str, position: int, expected: str) -> None:
        super().__init__(message, position, expected)
        self.message = message
        self.position = position
        self.expected = expected

    def __str__(self) -> str:
        return f"position {self.position}: {self.message}; expected: {self.expected}"


class EvaluationError(ValueError):
    """An expression has no result for one object. Names the function, the argument and the position, never a value."""

    def __init__(self, reason: str, *, function: str, argument: str | None, position: int) -> None:
        super().__init__(reason, function, argument, position)
        self.reason = reason
        self.function = function
        self.argument = argument
        self.position = position

    def __str__(self) -> str:
        where = f"{self.function}, argument {self.argument}" if self.argument else self.function
        return f"position {self.position}: {where}: {self.reason}"


class UnusableValue(Exception):  # noqa: N818 - never leaves the package: a function says it, its call site makes it an EvaluationError
    """A function cannot work with a value it was given. ``argument`` is the name of its parameter."""

    def __init__(self, argument: str | None, reason: str) -> None:
        super().__init__(argument, reason)
        self.argument = argument
        self.reason = reason


class AllValuesUsed(EvaluationError):  # noqa: N818 - says what happened
    """``SelectUniqueValue`` found every candidate taken at the target; the object waits for its next attempt."""
