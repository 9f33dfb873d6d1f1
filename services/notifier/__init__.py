"""notifier: one mail that says what went wrong and what to do, and never the same mail twice."""
