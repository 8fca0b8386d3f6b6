"""Run_pipeline.py: engine, steps, page."""
