"""What leaves the service: predictions in batches, off the request path, and labels, once Kafka has them."""
