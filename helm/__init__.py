"""What writes the generated files of the chart."""
