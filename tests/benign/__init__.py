"""Ordinary traffic of real programs, recorded in network namespaces that the tests made themselves."""
