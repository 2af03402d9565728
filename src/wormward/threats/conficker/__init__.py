"""Conficker (Downadup, Kido): what is known of it stands in `pack.toml`, what it computes beside it in Python."""
