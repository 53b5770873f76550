"""What the log must forget: orders, what is remembered of them, and rows that come after them."""
