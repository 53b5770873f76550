"""How fast drift detection counts: the sketch beside plain scipy, and the whole service on a real Kafka."""
