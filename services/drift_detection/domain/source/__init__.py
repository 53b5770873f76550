"""The side of the source partitions: what is counted of their messages, and told to the side of the models."""
