"""Reports on the quality of data, on simulated windows."""
