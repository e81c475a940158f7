"""What it costs: measured against compiled peers, from data with a fixed seed."""
