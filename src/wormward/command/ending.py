"""How a command ends: one sentence for what users may do wrong and what disks do, and an exit code; never a traceback."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import typer

from wormward.model.text import N_

if TYPE_CHECKING:
    from types import FrameType, TracebackType

COULD_NOT_RUN, INTERRUPTED = 2, 130


_stopping: set[int] = set()
"""The signal that asked this process to stop, if one did."""


def check() -> None:
    """Stop where somebody asked for it and a library swallowed that. Raises KeyboardInterrupt.

    An interrupt that Python raises while it is called back (from compiled code, or while an object goes) is printed and
    forgotten: a run must not write its reports after it, as if nobody had said a word.
    """
    if _stopping:
        raise KeyboardInterrupt


NO_REPORT, STOPPED = N_("interrupted; no report was written"), N_("interrupted")


def guarded(run: Callable[[], int], lang: str | None = None, stopped: str = STOPPED) -> int:
    """The exit code of `run`; what users may do wrong and what disks do becomes one sentence, never a traceback.

    The sentence is in the language that `--lang` or the locale asks for, as far as there is a translation; `stopped` is that
    for an interrupt.
    """
    from wormward.model.errors import WormwardError  # noqa: PLC0415 - see above

    _stopping.clear()

    def stop(number: int, _frame: FrameType | None) -> None:
        _stopping.add(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return run()
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # Whoever read our output had enough; the rest goes nowhere, and Python must not complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return COULD_NOT_RUN
    except WormwardError as error:
        # An engine that is interrupted says so in its own way.
        if not _stopping:
            complain(str(error), lang)
            return COULD_NOT_RUN
    except OSError as error:
        typer.echo(f"wormward: {error.filename or 'the system'}: {error.strerror or error}", err=True)
        return COULD_NOT_RUN
    except MemoryError:
        complain(N_("not enough memory; give fewer files at once, or --workspace on a disk with room"), lang)
        return COULD_NOT_RUN
    except Exception:  # libraries put an interrupt into words of their own
        if not _stopping:
            raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    complain(stopped, lang)
    return INTERRUPTED


def complain(sentence: str, lang: str | None) -> None:
    """One line on standard error, in the language of `--lang` (English if that is none) or of the locale."""
    from wormward.command.surroundings import language  # noqa: PLC0415 - see above
    from wormward.model.errors import UsageError  # noqa: PLC0415

    try:
        told = language(lang).told(sentence)
    except UsageError:
        told = sentence
    typer.echo(f"wormward: {told}", err=True)


def leave(code: int) -> NoReturn:
    """Leave with `code` at once; all that was to be written is written.

    Taking the engines apart piece by piece would take a fifth of a second more. And an interrupt that passed through
    `exec` of a text (dataclasses and named tuples are made like that while modules load) makes CPython end by signal 2
    even where it was caught, and scripts take that for a crash.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # closed by whoever started us
                stream.flush()
        except (OSError, ValueError):
            code = code or COULD_NOT_RUN
    os._exit(code)


def last_word(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What nobody caught: libraries may hold an interrupt back until the command's own handlers are gone."""
    if issubclass(kind, KeyboardInterrupt):
        typer.echo("wormward: interrupted", err=True)
        leave(INTERRUPTED)
    sys.__excepthook__(kind, error, trace)
