"""Evaluation of trained models: metrics, verdicts, and figures."""
