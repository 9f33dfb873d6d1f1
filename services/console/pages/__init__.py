"""The pages: server-rendered, without script; they show what the API shows."""
