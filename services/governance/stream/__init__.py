"""Kafka: what governance hears of drift and retraining, and what it says."""
