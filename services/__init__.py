"""The six services. They never import each other: they talk over Kafka in the words of ``shared.contracts``."""
