"""Reads predictions and deployments; owns window states; writes windows and incidents of drift."""
