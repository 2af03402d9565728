"""Coverage-guided fuzzing of the wire decoders; not part of the test run."""
