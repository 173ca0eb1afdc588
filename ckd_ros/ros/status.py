"""What the diagnostics say about one thing: filled in by all who know about it, published by `diagnostics`."""

from __future__ import annotations

from collections.abc import Callable


class Status:
    """Values and a message, contributed piece by piece (as `diagnostic_updater`'s DiagnosticStatusWrapper).

    Attributes:
        values: in the order in which they were added.
        warnings: what is wrong; while there is none, all is well.
    """

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.warnings: list[str] = []
        self._notes: list[str] = []

    def add(self, key: str, value: object) -> None:
        """A value under its name."""
        self.values[key] = str(value)

    def note(self, text: str) -> None:
        """Part of the message while nothing is wrong."""
        self._notes.append(text)

    def warn(self, text: str) -> None:
        """Something is wrong."""
        self.warnings.append(text)

    @property
    def message(self) -> str:
        """What is wrong, or the notes while nothing is."""
        return "; ".join(self.warnings) if self.warnings else ", ".join(self._notes)


#: Contributes to a status what its owner knows.
Task = Callable[[Status], None]
