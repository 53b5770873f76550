"""Reads predictions and labels; writes each once into Delta tables, which it owns, proves that none is missing, and tells
which labels met their predictions.
"""
