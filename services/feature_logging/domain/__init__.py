"""From what came to rows of the tables: pure, without Kafka, files or clocks."""
