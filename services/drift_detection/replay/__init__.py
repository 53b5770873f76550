"""Windows recomputed from their rows, and compared with what was published: a way in of its own, that says nothing."""
