"""What Seatkeeper does per second, on the machine at hand, with what it could reach beside it."""
