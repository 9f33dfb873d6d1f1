"""assignment-watcher: reads who is assigned to an application, and says what changed."""
