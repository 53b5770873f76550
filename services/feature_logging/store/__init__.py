"""The Delta tables: written once, in order, and on disk before Kafka's offsets move."""
