"""Scenes: one thing that hosts do to each other, as packets and as the rows that logs keep of it."""
