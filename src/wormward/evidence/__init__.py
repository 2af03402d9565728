"""Evidence readers: files in, rows of tables and coverage out."""

from wormward.evidence.discover import Discovery, discover, read_all
from wormward.evidence.registry import READERS, Reader

__all__ = ["READERS", "Discovery", "Reader", "discover", "read_all"]
