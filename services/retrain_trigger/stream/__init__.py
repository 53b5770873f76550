"""What goes on in the service: it hears of drift, waits for labels, has its worker train, and says what came of it."""
