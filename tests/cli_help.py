"""Run the real command, here or in a process of its own; small evidence to run it on."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOOKUPS = """time,client,name,answer
2009-02-02T08:00:00Z,10.0.0.5,www.example.com,192.0.2.1
2009-02-02T08:00:01Z,10.0.0.6,mail.example.com,192.0.2.2
2009-02-02T09:30:00Z,10.0.0.5,example.org,192.0.2.3
"""


@dataclass(frozen=True)
class Done:
    """What a run came to."""

    code: int
    out: str
    err: str

    def one_sentence(self) -> str:
        """The only line on standard error: no traceback, no second line."""
        (line,) = self.err.splitlines()
        assert line.startswith("wormward: ")
        return line


def wormward(*words: str | Path) -> Done:
    """Run `wormward` with these words in this process: all but the process is real, and imports are paid once."""
    from wormward.cli import app

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            app(list(map(str, words)), prog_name="wormward")
        except SystemExit as done:
            code = done.code
    assert isinstance(code, int)
    return Done(code, out.getvalue(), err.getvalue())


def process(*words: str | Path, env: dict[str, str] | None = None, timeout: float = 300) -> Done:
    """Run `wormward` with these words in a process of its own."""
    command = [sys.executable, "-m", "wormward.cli", *map(str, words)]
    done = subprocess.run(command, env=env, check=False, capture_output=True, text=True, timeout=timeout)
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def lookups(folder: Path, text: str = LOOKUPS, name: str = "queries.csv") -> Path:
    """A DNS query log in CSV."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def assessed_json(*words: str | Path, folder: Path, code: int = 0) -> dict[str, Any]:
    """The JSON of a run that is expected to end with `code`."""
    out = folder / "out.json"
    done = wormward("assess", *words, "--json", out)
    assert done.code == code, (done.code, done.err, done.out)
    said: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return said


def infected_lookups(day: str = "2009-02-02", client: str = "10.0.0.77") -> str:
    """A query log in which `client` asks for every name that a variant makes for `day`."""
    from datetime import date

    from wormward.packs import builtin_packs

    variant = builtin_packs()[0].variants[0]
    assert variant.domains is not None
    names = variant.domains.names((date.fromisoformat(day) - date(1970, 1, 1)).days)
    rows = [f"{day}T{8 + n // 60:02}:{n % 60:02}:00Z,{client},{name}," for n, name in enumerate(names)]
    return LOOKUPS + "\n".join(rows) + "\n"
