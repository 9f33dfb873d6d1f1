"""The REST API below /api/v1, with problem details (RFC 9457) for every error."""
