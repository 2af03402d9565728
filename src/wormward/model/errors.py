"""Every error that Wormward raises, one page, one sentence each.

    WormwardError
    ├── UsageError          the command line asks for something impossible          (exit 2)
    │   └── NoEvidenceError nothing that was given could be read as evidence        (exit 2)
    ├── EvidenceError       one file, or one place in it, cannot be read            (a row in coverage)
    ├── WireError           bytes do not follow the protocol they claim             (a note, never ends a run)
    ├── PackError           a threat pack is malformed or refers to the unknown     (exit 2)
    ├── SiteError           `site.toml` is malformed                                (exit 2)
    └── WorkspaceError      the workspace cannot be written, read or locked         (exit 2)

Each message names the file, the place in it and what to do.
"""

from __future__ import annotations


class WormwardError(Exception):
    """Base of all errors that a user may see; its text is a whole sentence."""


class UsageError(WormwardError):
    """The command line asks for something impossible."""


class NoEvidenceError(UsageError):
    """Nothing that was given could be read as evidence."""


class EvidenceError(WormwardError):
    """One file, or one place in it, cannot be read.

    `place` says where ("frame 12", "line 3", "byte 4711"), `remedy` what the user can do.
    """

    def __init__(self, what: str, *, place: str | None = None, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.place = place
        self.remedy = remedy


class WireError(WormwardError):
    """Bytes do not follow the protocol they claim: the one exception that wire decoders may raise."""


class PackError(WormwardError):
    """A threat pack is malformed or refers to something that this program does not have."""


class SiteError(WormwardError):
    """`site.toml` is malformed; the message names the key."""


class WorkspaceError(WormwardError):
    """The workspace cannot be written, read or locked; the message names the folder and the remedy."""
