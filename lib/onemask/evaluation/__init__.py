"""Scoring of segmenters: metrics (numpy and pandas alone) and the one-shot driver (torch)."""
