"""Where state lives that policies share between requests."""
