"""The way in: predictions and labels from Kafka."""
