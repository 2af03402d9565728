"""The workspace: rows of facts, in memory or as Parquet, with stable ids."""

from wormward.model.reading import SourceRow
from wormward.store.ledger import keep_run, kept_run
from wormward.store.workspace import MEMORY, Parts, Workspace

__all__ = ["MEMORY", "Parts", "SourceRow", "Workspace", "keep_run", "kept_run"]
