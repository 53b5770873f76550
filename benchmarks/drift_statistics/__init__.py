"""The statistics of the drift detector: false alarms, delays, faults found."""
