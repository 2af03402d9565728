"""What programs and devices write into syslog: one file a kind of message, one visible line each in `syslog.MESSAGES`."""
