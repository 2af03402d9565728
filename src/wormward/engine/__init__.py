"""Where queries run: DuckDB, or Spark. Detectors do not know which engine answers them."""

from __future__ import annotations

from collections.abc import Mapping

from wormward.engine.base import Engine
from wormward.engine.duck import Duck
from wormward.engine.forwarders import infer_forwarders
from wormward.engine.hosts import Survey, infer_domain_controllers, survey
from wormward.engine.spark import Spark

__all__ = ["ENGINES", "Duck", "Engine", "Spark", "Survey", "infer_domain_controllers", "infer_forwarders", "survey"]

ENGINES: Mapping[str, type[Duck] | type[Spark]] = {"duckdb": Duck, "spark": Spark}
"""Every engine by the name that `--engine` knows it by."""
