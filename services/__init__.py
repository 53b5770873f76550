"""The five services. None imports another: what passes between them is events on Kafka."""
