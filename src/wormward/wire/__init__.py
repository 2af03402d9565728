"""Bytes <-> values: no socket, no file, no clock. Decoders raise only `WireError`."""
