"""A canary or a shadow compared with the champion, by bands that may be looked at any time."""
