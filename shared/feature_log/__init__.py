"""The feature log as others read it: `schema`, `snapshot` (training data), `watermark`, `lookup`, `completeness`."""
