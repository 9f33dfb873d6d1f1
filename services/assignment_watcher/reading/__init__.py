"""Reading one cycle's worth of a source into staging, a page at a time; nothing is concluded here."""
