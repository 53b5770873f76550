"""What a request means and what answers it: bytes, JSON and arrays in, arrays and JSON out; no clock, no network."""
