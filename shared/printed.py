"""What a command prints of texts that others chose."""


def plain(text: str) -> str:
    """In one line, without what a terminal would take for a command."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
