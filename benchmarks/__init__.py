"""Benchmarks: ratios between two things measured side by side. They are no tests."""
