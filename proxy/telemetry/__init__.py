"""What the proxy tells of itself: metrics, the access log, decisions."""
