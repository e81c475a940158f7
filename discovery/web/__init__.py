"""What the controller answers over HTTP: its health and its metrics."""
