"""The two side ports: status for probes and Prometheus, admin for operators."""
