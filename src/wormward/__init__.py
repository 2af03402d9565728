"""Wormward: find every host that a network worm infected, with evidence, offline."""

__version__ = "0.1.0"
