"""Checkpoints that others wrote, read without running anything that they hold."""
