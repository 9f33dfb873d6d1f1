"""The gateway to Microsoft Graph: credentials, requests with bounded patience, pages, batches, and what an answer means."""
