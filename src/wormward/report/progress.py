"""Progress on a terminal: one line a step, with a bar where the amount of work is known."""

from __future__ import annotations

from types import TracebackType
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from wormward.report.words import harmless


class Bars:
    """`pipeline.Progress` drawn by rich; use as a context manager. The lines vanish when it ends."""

    def __init__(self, out: TextIO) -> None:
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=32),
            TransferSpeedColumn(),
            TimeElapsedColumn(),
            console=Console(file=out, markup=False, highlight=False, emoji=False),
            transient=True,
        )
        self._task: TaskID | None = None

    def begin(self, what: str, total: int | None = None) -> None:
        """End the step before and begin this one."""
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(harmless(what), total=total)

    def advance(self, done: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.advance(self._task, done)

    def __enter__(self) -> Bars:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._bars.stop()
