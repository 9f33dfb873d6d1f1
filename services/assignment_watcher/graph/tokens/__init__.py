"""Access tokens of an application, by the client credentials flow of the Microsoft identity platform."""
