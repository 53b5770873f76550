"""A real Apache Kafka on this machine: one node, KRaft mode, its jars from Maven, its JVM from a wheel."""
