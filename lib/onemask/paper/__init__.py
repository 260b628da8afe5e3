"""The paper's tables, drawn from result files alone: nothing here imports torch."""
