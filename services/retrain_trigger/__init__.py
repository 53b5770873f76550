"""Reads driftline.drift, driftline.governance and the feature log; writes driftline.retraining and challenger bundles;
owns the journal of retraining runs.
"""
