"""Benchmarks: each a ratio to a peer or to a limit, in one run (`make bench`). Not part of the wheel."""
