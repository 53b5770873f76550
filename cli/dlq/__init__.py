"""The dead-letters: shown, and sent again once what was wrong is mended. Reads and writes Kafka itself."""
