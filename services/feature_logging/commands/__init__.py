"""One answer at the command line, read from the tables as they are, whether or not the service runs."""
