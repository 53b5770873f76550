"""The way in: the Open Inference Protocol v2 and labels over HTTP."""
