"""Reads predictions and labels; writes each once into Delta tables, which it owns, and proves that none is missing."""
