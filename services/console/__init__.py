"""console: the REST API, the status pages, the job definitions and the audit log; its read models are built from the topics."""
