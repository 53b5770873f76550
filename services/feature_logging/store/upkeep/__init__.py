"""Cleaning beside readers and writers: old versions, files that nobody needs, days past their time."""
