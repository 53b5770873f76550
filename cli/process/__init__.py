"""Processes that are kept running, and that end with the process that started them."""
