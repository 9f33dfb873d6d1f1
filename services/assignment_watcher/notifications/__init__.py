"""Change notifications of Microsoft Graph: optional, and never more than a hint to poll sooner."""
