"""What tests share: servers, waiting, and the unchangeable parts of an environment."""
