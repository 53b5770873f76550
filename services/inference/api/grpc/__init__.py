"""The Open Inference Protocol v2 over gRPC: another way to the core that REST has."""
