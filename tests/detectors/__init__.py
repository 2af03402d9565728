"""One folder a rule: where the case comes from, input rows, what must be found. `make.py` writes the inputs."""
