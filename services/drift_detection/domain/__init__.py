"""What is decided here, without a clock, a file or a network: windows, jumps, incidents."""
