"""The workspace: rows of facts, in memory or as Parquet, with stable ids."""

from wormward.store.workspace import Parts, SourceRow, Workspace

__all__ = ["Parts", "SourceRow", "Workspace"]
