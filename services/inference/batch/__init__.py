"""Tables as a way in: the in-process scorer, files, and when they are scored."""
