"""The nouns: table schemas, findings, states, coverage, site, threat pack, errors. No I/O, no clock."""
