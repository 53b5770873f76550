"""Reads drift and retraining; writes governance and deployments; owns registry, approvals, audit and deployments."""
