"""Bands of canary and shadow against the champion: how often they are wrong, and how soon they see harm."""
