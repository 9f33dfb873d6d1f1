"""What the services have in common: the words they speak (contracts) and the frame they ride on (runtime)."""
