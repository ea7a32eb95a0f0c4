"""The dashboard's picture, from its own queries to a real Prometheus: `python -m bench.dashboard`."""
