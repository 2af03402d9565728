"""What a person or a program gets to read: terminal, HTML and JSON forms of one assessment. No clock, no network."""
