"""Kafka as the services use it: messages in and out, the consume loop, the producer, the topics."""
