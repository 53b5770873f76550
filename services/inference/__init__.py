"""Answers predictions and takes labels over HTTP: reads `driftline.deployments` and the bundle store, writes
`driftline.predictions` and `driftline.labels`, owns the loaded models and the queue of what waits to be published.
"""
