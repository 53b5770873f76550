"""The quality of a window's data: schema, missing, range, categories, volume, arrival. It informs and never alarms."""
