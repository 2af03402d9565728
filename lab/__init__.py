r"""The project's own outbreak generator: a site, ordinary life, and a worm that is played, never run.

Everything here is inert. The lab writes files (captures, logs, `truth.json`) and opens no socket. Where a real worm's
payload would stand there is filler of letters; the "executable" that hosts fetch is `MZ` followed by a sentence that
says it is inert; no list of passwords is used, what stands for a guess is random bytes.

    story (outbreak, cases)  ->  scenes (a lookup, a page, a logon, an attack)  ->  protocols (bytes)
                                         |                                            |
                                         v                                            v
                                  Zeek rows, DNS lines                    TCP and UDP packets (tcp, udp, network)
                                         \____________________ stage ________________/   (time order, files)

The encoders in `protocols/` share no code with the decoders in `wormward.wire`: a mistake must be made twice to pass.
"""
