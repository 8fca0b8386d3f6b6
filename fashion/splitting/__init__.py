"""Train / val / test."""
