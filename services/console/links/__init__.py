"""Links between users and accounts at the target (object connections): shown, and changed by asking diff."""
