"""What stands around every command's work: its language, where compiled loops are kept, what need not load, progress."""

from __future__ import annotations

import locale
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING

from wormward.command.ending import check
from wormward.report.i18n import Language, load, preferred

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wormward.model.pack import ThreatPack
    from wormward.pipeline import Progress


def language(asked: str | None, packs: Sequence[ThreatPack] = ()) -> Language:
    """What `--lang` asks for, else what the user's locale is (English where there is no catalogue). Raises UsageError."""
    if asked is not None:
        return load(asked, packs)
    variables = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return load(preferred(*variables, locale.getlocale()[0]), packs)


@contextmanager
def numba_cache() -> Iterator[None]:
    """Say where compiled loops are kept if not beside the code: the user's cache folder, or one for this run only.

    Numba loads what it finds there as code, so it must be a folder that nobody else can write.
    """
    if os.environ.get("NUMBA_CACHE_DIR") or os.access(Path(__file__).parents[1], os.W_OK):
        yield
        return
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    folder = home / "wormward" / "numba"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        usable = os.access(folder, os.W_OK)
    except OSError:
        usable = False
    if usable:
        os.environ["NUMBA_CACHE_DIR"] = str(folder)
        yield
        return
    with tempfile.TemporaryDirectory(prefix="wormward-") as once:
        os.environ["NUMBA_CACHE_DIR"] = once
        yield


class _NoPandas(MetaPathFinder):
    """Finds nothing, where pandas is asked for."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Say that there is no pandas; leave all else to others."""
        del path, target
        if name == "pandas":
            raise ModuleNotFoundError(name)


def lean_arrow() -> None:
    """Keep Arrow from loading pandas (a sixth of a second), which we never use.

    Arrow looks once, when it is first given a list, whether pandas is installed, to know pandas' own values by sight.
    """
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and after the cache has its place

    absent = _NoPandas()
    sys.meta_path.insert(0, absent)
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(absent)


class _Stoppable:
    """Progress that ends the work where somebody asked for that."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown

    def begin(self, what: str, total: int | None = None) -> None:
        """See `pipeline.Progress`. Raises KeyboardInterrupt."""
        check()
        self._shown.begin(what, total)

    def advance(self, done: int) -> None:
        """See `pipeline.Progress`. Raises KeyboardInterrupt."""
        check()
        self._shown.advance(done)


@contextmanager
def shown_progress(quiet: bool) -> Iterator[Progress]:
    """Progress on standard error if somebody looks at it; else nothing."""
    from wormward.pipeline import Silent  # noqa: PLC0415

    if quiet or not sys.stderr.isatty():
        yield _Stoppable(Silent())
        return
    from wormward.report.progress import Bars  # noqa: PLC0415

    with Bars(sys.stderr) as bars:
        yield _Stoppable(bars)
