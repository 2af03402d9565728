"""Encoders: values to bytes, nothing else. Written against the specifications, not against `wormward.wire`."""
