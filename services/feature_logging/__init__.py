"""Reads predictions and labels; owns Delta tables that hold each once, and publishes which labels met which of them."""
