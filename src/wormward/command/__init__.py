"""What the commands do around the work itself: one module a command, and what they share."""
