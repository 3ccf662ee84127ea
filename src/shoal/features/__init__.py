"""Encoders: from images to feature rows, and the projection behind them."""
