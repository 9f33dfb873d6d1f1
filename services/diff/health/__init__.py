"""How a job fares: counts of what fails and what is well, and the quarantine that follows from them."""
