"""Where queries run: DuckDB on one machine. Detectors do not know which engine answers them."""

from __future__ import annotations

from wormward.engine.duck import Duck, prepare
from wormward.engine.forwarders import infer_forwarders
from wormward.engine.hosts import Survey, infer_domain_controllers, survey

__all__ = ["Duck", "Survey", "infer_domain_controllers", "infer_forwarders", "prepare", "survey"]
