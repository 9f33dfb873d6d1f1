"""The frame every service rides on: the only consumer loop, outbox and relay, database, HTTP, telemetry, secrets."""
