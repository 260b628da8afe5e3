"""Supervised networks trained on real and on synthetic annotated images (Sections 7.2 and 8.2)."""
